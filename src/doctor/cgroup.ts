import type { HostReader } from './host-reader.ts'

/**
 * Limits of this process's cgroups, the tightest bound of the hierarchy; undefined = no bound, or
 * none visible.
 */
export interface CgroupLimits {
  /** 0 = no cgroups are visible. */
  readonly version: 0 | 1 | 2
  readonly memoryBytes: number | undefined
  /** CPU time, in cores. */
  readonly cpus: number | undefined
  /** Limit of threads and processes, and their current number. */
  readonly pids: number | undefined
  readonly pidsNow: number | undefined
}

/** Version 1 shows "no limit" as the largest number of pages; values from here on mean that. */
const unlimitedBytes = 2 ** 60

export function readCgroup(host: HostReader): CgroupLimits {
  const paths = pathsOf(host.read('/proc/self/cgroup'))
  const root = '/sys/fs/cgroup'
  const v2 = paths.get('')
  if (v2 !== undefined && host.exists(`${root}/cgroup.controllers`)) {
    const files = (name: string) => upwards(v2).map((path) => host.read(`${root}${path}/${name}`))
    return {
      version: 2,
      memoryBytes: least(files('memory.max').map(numberOf)),
      cpus: least(files('cpu.max').map(quotaOf)),
      pids: least(files('pids.max').map(numberOf)),
      pidsNow: files('pids.current')
        .map(numberOf)
        .find((value) => value !== undefined),
    }
  }
  const of = (controller: string, name: string) => {
    // Inside a container the path is the host's, but the container's own group is mounted at the
    // root.
    return upwards(paths.get(controller) ?? '/').map((path) => host.read(`${root}/${controller}${path}/${name}`))
  }
  const memory = of('memory', 'memory.limit_in_bytes').map(numberOf)
  const bounded = memory.filter((value) => value !== undefined && value < unlimitedBytes)
  const quotas = of('cpu', 'cpu.cfs_quota_us').map(numberOf)
  const periods = of('cpu', 'cpu.cfs_period_us').map(numberOf)
  const shown = paths.size > 0 && host.list(root).length > 0
  return {
    version: shown ? 1 : 0,
    memoryBytes: least(bounded),
    cpus: least(
      quotas.map((quota, i) => (quota === undefined || quota <= 0 ? undefined : quota / (periods[i] ?? 100_000))),
    ),
    pids: least(of('pids', 'pids.max').map(numberOf)),
    pidsNow: of('pids', 'pids.current')
      .map(numberOf)
      .find((value) => value !== undefined),
  }
}

/**
 * Parses paths by controller; '' is that of version 2. Lines are `4:memory:/path`,
 * `5:cpu,cpuacct:/path`, `0::/path`.
 */
function pathsOf(text = ''): Map<string, string> {
  const lines = text.split('\n').flatMap((line) => {
    const match = /^\d+:([^:]*):(\/.*)$/.exec(line)
    return match === null ? [] : [[match[1]!, match[2]!] as const]
  })
  return new Map(lines.flatMap(([controllers, path]) => controllers.split(',').map((name) => [name, path] as const)))
}

/** Returns the group's own path and those of its ancestors: `/a/b`, `/a`, ``. */
function upwards(path: string): string[] {
  const names = path.split('/').filter((name) => name !== '')
  return names.map((_, i) => `/${names.slice(0, names.length - i).join('/')}`).concat('')
}

/** Parses a number; `max` means no bound. */
function numberOf(text: string | undefined): number | undefined {
  const trimmed = text?.trim() ?? ''
  return /^-?\d+$/.test(trimmed) ? Number(trimmed) : undefined
}

/** Parses a quota in cores: `200000 100000` is two. */
function quotaOf(text: string | undefined): number | undefined {
  const [quota, period] = (text ?? '').trim().split(' ')
  return quota === undefined || quota === 'max' || quota === '' ? undefined : Number(quota) / Number(period)
}

function least(values: readonly (number | undefined)[]): number | undefined {
  const bounds = values.filter((value) => value !== undefined)
  return bounds.length === 0 ? undefined : Math.min(...bounds)
}
