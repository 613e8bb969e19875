import { type OpenFileLimits, openFileLimits } from '../base/descriptors.ts'
import { type CgroupLimits, readCgroup } from './cgroup.ts'
import type { HostReader, Runtime } from './host-reader.ts'

/** Facts of this host; undefined = it does not show it. */
export interface HostFacts {
  readonly platform: string
  /** Values of kernel settings by their `sysctl` names: `net.core.somaxconn`. */
  readonly sysctls: ReadonlyMap<string, readonly number[]>
  /**
   * Maximum descriptors of a process like this one; Node raises its soft limit to the hard one.
   */
  readonly openFiles: OpenFileLimits | undefined
  /** Network cards; empty if only the loopback is visible. */
  readonly cards: readonly Card[]
  readonly cpus: number
  readonly memory: { readonly totalBytes: number; readonly availableBytes: number } | undefined
  readonly cgroup: CgroupLimits
  readonly clock: ClockSync
  readonly runtime: Runtime
}

export interface Card {
  readonly name: string
  readonly receiveQueues: number
  /** Whether the kernel spreads the packets of one queue over several CPUs (RPS). */
  readonly spread: boolean
  /** Gigabits a second, if the card reports it: many virtual ones do not. */
  readonly gbps?: number
}

/** Whether the clock is synchronized. `by`: the source of the answer; '' = none. */
export interface ClockSync {
  readonly synchronized: boolean | undefined
  readonly by: string
  /** Offset from its time source, ms, if known. */
  readonly offsetMs?: number
}

/** Kernel settings that are judged, or recommended. */
export const sysctlNames = [
  'fs.file-max',
  'fs.file-nr',
  'fs.nr_open',
  'net.core.somaxconn',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.tcp_max_syn_backlog',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_mem',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_wmem',
  'net.ipv4.tcp_notsent_lowat',
  'net.netfilter.nf_conntrack_max',
  'net.netfilter.nf_conntrack_count',
] as const
export type SysctlName = (typeof sysctlNames)[number]

export function readHostFacts(host: HostReader): HostFacts {
  return {
    platform: host.platform,
    sysctls: readSysctls(host),
    openFiles: openFileLimits(host.read('/proc/self/limits') ?? ''),
    cards: readCards(host),
    cpus: host.cpus,
    memory: memoryOf(host.read('/proc/meminfo')),
    cgroup: readCgroup(host),
    clock: readClockSync(host),
    runtime: host.runtime,
  }
}

function readSysctls(host: HostReader): Map<string, readonly number[]> {
  const found = new Map<string, readonly number[]>()
  for (const name of sysctlNames) {
    const text = host.read(`/proc/sys/${name.replaceAll('.', '/')}`)
    const values = text?.trim().split(/\s+/).map(Number) ?? []
    if (values.length > 0 && values.every((value) => !Number.isNaN(value))) found.set(name, values)
  }
  return found
}

function memoryOf(text = ''): HostFacts['memory'] {
  const kib = (name: string) => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(text)?.[1])
  const totalBytes = kib('MemTotal') * 1024
  const availableBytes = kib('MemAvailable') * 1024
  return Number.isNaN(totalBytes + availableBytes) ? undefined : { totalBytes, availableBytes }
}

/**
 * Reads the cards. Only cards have a `device`: bridges, tunnels and the loopback have no queues
 * that matter.
 */
function readCards(host: HostReader): Card[] {
  const classes = '/sys/class/net'
  const names = host.list(classes).filter((name) => host.exists(`${classes}/${name}/device`))
  return names.map((name) => {
    const queues = host.list(`${classes}/${name}/queues`).filter((queue) => queue.startsWith('rx-'))
    const masks = queues.map((queue) => host.read(`${classes}/${name}/queues/${queue}/rps_cpus`) ?? '')
    const mbps = Number(host.read(`${classes}/${name}/speed`))
    const speed = mbps > 0 ? { gbps: mbps / 1000 } : {}
    return { name, receiveQueues: queues.length, spread: masks.some((mask) => /[1-9a-f]/i.test(mask)), ...speed }
  })
}

/**
 * Asks the services that synchronize the clock, chrony and then systemd, because the kernel's own
 * answer (adjtimex) needs native code.
 */
function readClockSync(host: HostReader): ClockSync {
  const tracking = host.run('chronyc', ['-n', 'tracking'])
  const leap = /^Leap status +: (.+)$/m.exec(tracking ?? '')?.[1]
  if (leap !== undefined) {
    const offset = /^System time +: ([\d.]+) seconds/m.exec(tracking!)?.[1]
    const synchronized = leap.trim() !== 'Not synchronised'
    return {
      synchronized,
      by: 'chronyc tracking',
      ...(offset === undefined ? {} : { offsetMs: Number(offset) * 1000 }),
    }
  }
  const shown = host.run('timedatectl', ['show', '--property=NTPSynchronized', '--value'])?.trim()
  if (shown === 'yes' || shown === 'no') return { synchronized: shown === 'yes', by: 'timedatectl' }
  const stamp = '/run/systemd/timesync/synchronized'
  if (host.exists(stamp)) return { synchronized: true, by: stamp }
  return { synchronized: undefined, by: '' }
}
