import { type OpenFileLimits, openFileLimits } from '../base/descriptors.ts'
import { type CgroupLimits, readCgroup } from './cgroup.ts'
import type { HostReader, Runtime } from './host-reader.ts'

/** What a look at this host found; undefined = it does not show it. */
export interface HostFacts {
  readonly platform: string
  /** Values of the kernel's options by their names as `sysctl` has them: `net.core.somaxconn`. */
  readonly sysctls: ReadonlyMap<string, readonly number[]>
  /** Descriptors that a process like this one may have; Node raises its own limit to the hard one. */
  readonly openFiles: OpenFileLimits | undefined
  /** Network cards; none where only the loopback is shown. */
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
  /** The kernel spreads what comes by one queue over several CPUs (RPS). */
  readonly spread: boolean
  /** Gigabits a second, where it says so: many virtual ones do not. */
  readonly gbps?: number
}

/** Whether something keeps the clock right. `by`: who says so; '' = nobody could be asked. */
export interface ClockSync {
  readonly synchronized: boolean | undefined
  readonly by: string
  /** How far it is from its source, where that is told. */
  readonly offsetMs?: number
}

/** What is judged, or told to be set, of the kernel's options. */
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

/** Only cards have a device behind them: bridges, tunnels and the loopback have no queues that matter. */
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

/** The kernel's own answer (adjtimex) needs native code, so those who keep the clock are asked: chrony, then systemd. */
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
