import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { keptDescriptors, openFileLimits } from '../../base/descriptors.ts'

/** Figures of this host and its processes, from Linux. Not available on other systems. */

const pageBytes = 4096

/**
 * CPU time of a process and all its threads since its start, µs. The split into user and system
 * is the kernel's estimate.
 */
export interface Cpu {
  readonly totalUs: number
  readonly userUs: number
  readonly systemUs: number
}

export function cpuOf(pid: number): Cpu {
  let totalUs = 0
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    totalUs += Number(read(`/proc/${pid}/task/${task}/schedstat`).split(' ')[0]) / 1000
  }
  const stat = read(`/proc/${pid}/stat`)
  // Fields 14 and 15, counted from the end of the command, which may contain spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const user = Number(fields[11])
  const system = Number(fields[12])
  const userUs = (totalUs * user) / Math.max(1, user + system)
  return { totalUs, userUs, systemUs: totalUs - userUs }
}

/** Returns how long the main thread of a process was ready to run but had no core, µs. */
export function coreWaitUs(pid: number): number {
  return Number(read(`/proc/${pid}/task/${pid}/schedstat`).split(' ')[1]) / 1000
}

export function cpuBetween(before: Cpu, after: Cpu): Cpu {
  return {
    totalUs: after.totalUs - before.totalUs,
    userUs: after.userUs - before.userUs,
    systemUs: after.systemUs - before.systemUs,
  }
}

export function residentBytes(pid: number): number {
  return 1024 * Number(/VmRSS:\s+(\d+) kB/.exec(read(`/proc/${pid}/status`))![1])
}

/** Kernel memory for the sockets of all processes, bytes. */
export interface KernelMemory {
  /** Bytes in the buffers of TCP sockets. */
  readonly buffers: number
  /** Kernel objects, including those of sockets. */
  readonly slab: number
}

export function kernelMemory(): KernelMemory {
  const pages = /^TCP:.* mem (\d+)/m.exec(read('/proc/net/sockstat'))
  const slab = /^Slab:\s+(\d+) kB/m.exec(read('/proc/meminfo'))
  return { buffers: pageBytes * Number(pages?.[1] ?? 0), slab: 1024 * Number(slab?.[1] ?? 0) }
}

/** Total and idle time of all cores, in ticks since the host's start. */
export interface HostTime {
  readonly all: number
  readonly idle: number
}

export function hostTime(): HostTime {
  const ticks = read('/proc/stat').split('\n')[0]!.trim().split(/\s+/).slice(1, 9).map(Number)
  return { all: ticks.reduce((sum, each) => sum + each, 0), idle: ticks[3]! + ticks[4]! }
}

/** Returns how many files and sockets a process started here may have open. */
export function maxDescriptors(): number {
  return openFileLimits(read('/proc/self/limits'))?.soft ?? Number.POSITIVE_INFINITY
}

/** Returns how many connections such a process may have, whether a gateway or a client process. */
export function maxConnections(): number {
  const limit = maxDescriptors()
  return limit - keptDescriptors(limit, 0)
}

/**
 * Returns the process that listens on a TCP port of this host; undefined = none, or another
 * user's.
 */
export function listenerPid(port: number): number | undefined {
  const inode = ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => listenInode(file, port)).find((found) => found)
  if (inode === undefined) return undefined
  const socket = `socket:[${inode}]`
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => descriptors(pid).includes(socket))
}

/**
 * Returns the inode of the listening socket. State 0A is LISTEN; the local address is `HEX:PORT`.
 */
function listenInode(file: string, port: number): string | undefined {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  for (const line of read(file).split('\n')) {
    const fields = line.trim().split(/\s+/)
    if (fields[3] === '0A' && fields[1]?.endsWith(`:${hex}`)) return fields[9]
  }
  return undefined
}

function descriptors(pid: number): string[] {
  const folder = `/proc/${pid}/fd`
  try {
    return readdirSync(folder).map((name) => readlinkSync(`${folder}/${name}`))
  } catch {
    // The process is another user's, or has ended.
    return []
  }
}

export function describeHost(): string {
  const models = cpus()
  return `${models.length} cores (${models[0]?.model.trim() ?? 'unknown'}), Node ${process.versions.node}, Linux ${release()}`
}

function read(path: string): string {
  return readFileSync(path, 'utf8')
}
