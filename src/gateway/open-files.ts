import { execFileSync } from 'node:child_process'
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { devNull } from 'node:os'
import { keptDescriptors, openFileLimits } from '../base/descriptors.ts'
import { CarillonError } from '../base/errors.ts'
import type { Descriptors } from '../edge/context.ts'

/** This process's descriptors, as its clients may use them. Throws `listen_failed` where there are too few for any. */
export function descriptorsForClients(): Descriptors {
  return { forClients: forClients(limitOfThisProcess(), openNow()), canOpen }
}

/** How many descriptors clients may have of `limit`, where `own` are open before the first has come. Throws `listen_failed` where that is none. */
export function forClients(limit: number, own: number): number {
  const kept = keptDescriptors(limit, own)
  if (limit > kept) return limit - kept
  const said = `expected to be allowed more than ${kept} open files, which the gateway needs for itself, got ${limit}`
  throw new CarillonError('listen_failed', `${said}: raise LimitNOFILE (systemd), or ulimit -n`)
}

/** Node has raised its soft limit to the hard one. */
function limitOfThisProcess(): number {
  try {
    return openFileLimits(readFileSync('/proc/self/limits', 'utf8'))?.soft ?? Number.POSITIVE_INFINITY
  } catch {
    // No /proc.
    const limit = execFileSync('/bin/sh', ['-c', 'ulimit -n'], { encoding: 'utf8' }).trim()
    return limit === 'unlimited' ? Number.POSITIVE_INFINITY : Number(limit)
  }
}

/** `/dev/fd` is the process's own on Linux and macOS; the listing has one open itself. */
function openNow(): number {
  return readdirSync('/dev/fd').length - 1
}

function canOpen(): boolean {
  try {
    closeSync(openSync(devNull, 'r'))
    return true
  } catch {
    return false
  }
}
