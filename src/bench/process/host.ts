import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { cpus, release } from 'node:os'
import { keptDescriptors, openFileLimits } from '../../base/descriptors.ts'

/** What Linux says of this host and its processes; elsewhere these figures can't be had. */

const pageBytes = 4096

/** CPU time of a process and all of its threads since its start, µs. User and system are split by the kernel's own estimate. */
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
  // Fields 14 and 15, counted from behind the command, which may have spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const user = Number(fields[11])
  const system = Number(fields[12])
  const userUs = (totalUs * user) / Math.max(1, user + system)
  return { totalUs, userUs, systemUs: totalUs - userUs }
}

/** How long the main thread of a process has been ready to run while others had the cores, µs. */
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

/** Memory that the kernel keeps for sockets, of all processes, bytes. */
export interface KernelMemory {
  /** Bytes in the buffers of TCP sockets. */
  readonly buffers: number
  /** The kernel's own objects, those of sockets among them. */
  readonly slab: number
}

export function kernelMemory(): KernelMemory {
  const pages = /^TCP:.* mem (\d+)/m.exec(read('/proc/net/sockstat'))
  const slab = /^Slab:\s+(\d+) kB/m.exec(read('/proc/meminfo'))
  return { buffers: pageBytes * Number(pages?.[1] ?? 0), slab: 1024 * Number(slab?.[1] ?? 0) }
}

/** Time that all cores had, and had nothing to do in, in ticks since the host's start. */
export interface HostTime {
  readonly all: number
  readonly idle: number
}

export function hostTime(): HostTime {
  const ticks = read('/proc/stat').split('\n')[0]!.trim().split(/\s+/).slice(1, 9).map(Number)
  return { all: ticks.reduce((sum, each) => sum + each, 0), idle: ticks[3]! + ticks[4]! }
}

/** Files and sockets that a process which is started here may have open. */
export function maxDescriptors(): number {
  return openFileLimits(read('/proc/self/limits'))?.soft ?? Number.POSITIVE_INFINITY
}

/** Connections that such a process may have, a gateway or one that holds clients. */
export function maxConnections(): number {
  const limit = maxDescriptors()
  return limit - keptDescriptors(limit, 0)
}

/** The process that listens on a TCP port of this host; undefined where it is none of ours to see. */
export function listenerPid(port: number): number | undefined {
  const inode = ['/proc/net/tcp', '/proc/net/tcp6'].map((file) => listenInode(file, port)).find((found) => found)
  if (inode === undefined) return undefined
  const socket = `socket:[${inode}]`
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .find((pid) => descriptors(pid).includes(socket))
}

/** State 0A is LISTEN; the local address is `HEX:PORT`. */
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
    // Another user's, or gone meanwhile.
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
