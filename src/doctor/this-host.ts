import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statfsSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { getHeapStatistics } from 'node:v8'
import type { FileSystem, HostReader } from './host-reader.ts'

/** Timeout of a program that is asked about the clock, ms. */
const askMs = 2000

/** Returns the reader for the host that this process is on. */
export function thisHost(): HostReader {
  return {
    read: (path) => attempt(() => readFileSync(path, 'utf8')),
    list: (path) => attempt(() => readdirSync(path)) ?? [],
    exists: existsSync,
    run: (program, args) => {
      return attempt(() => execFileSync(program, args, { encoding: 'utf8', timeout: askMs, stdio: 'pipe' }))
    },
    fileSystem,
    platform: process.platform,
    cpus: availableParallelism(),
    runtime: {
      nodeVersion: process.versions.node,
      heapLimitBytes: getHeapStatistics().heap_size_limit,
      flags: [...process.execArgv, ...(process.env.NODE_OPTIONS ?? '').split(' ')].filter((flag) => flag !== ''),
    },
  }
}

/** Returns undefined instead of throwing. */
function attempt<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch {
    return undefined
  }
}

/**
 * Returns the file system of the path or, if it does not exist, of its nearest existing parent.
 */
function fileSystem(path: string): FileSystem | undefined {
  if (!existsSync(path) && dirname(path) !== path) return fileSystem(dirname(path))
  const stat = attempt(() => statfsSync(path))
  return stat === undefined ? undefined : { type: stat.type, freeBytes: stat.bavail * stat.bsize }
}
