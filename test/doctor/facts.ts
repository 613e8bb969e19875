import type { HostFacts } from '../../src/doctor/host-facts.ts'
import type { HostReader } from '../../src/doctor/host-reader.ts'

const gib = 2 ** 30

/** Facts of a host that suits ten thousand clients. */
export const goodSysctls: Readonly<Record<string, readonly number[]>> = {
  'fs.file-max': [2_400_000],
  'fs.file-nr': [3000, 0, 2_400_000],
  'fs.nr_open': [1_048_576],
  'net.core.somaxconn': [4096],
  'net.ipv4.ip_local_port_range': [1024, 65_535],
  'net.ipv4.tcp_max_syn_backlog': [4096],
  'net.ipv4.tcp_syncookies': [1],
  'net.ipv4.tcp_mem': [287_901, 383_868, 575_802],
  'net.ipv4.tcp_rmem': [4096, 131_072, 6_291_456],
  'net.ipv4.tcp_wmem': [4096, 16_384, 1_048_576],
  'net.ipv4.tcp_notsent_lowat': [16_384],
  'net.netfilter.nf_conntrack_max': [262_144],
  'net.netfilter.nf_conntrack_count': [100],
}

export function factsWith(
  change: Partial<HostFacts> = {},
  sysctls: Record<string, readonly number[] | undefined> = {},
): HostFacts {
  const all = Object.entries({ ...goodSysctls, ...sysctls }).filter((entry): entry is [string, readonly number[]] => {
    return entry[1] !== undefined
  })
  return {
    platform: 'linux',
    sysctls: new Map(all),
    openFiles: { soft: 20_000, hard: 20_000 },
    cards: [{ name: 'eth0', receiveQueues: 4, spread: false }],
    cpus: 4,
    memory: { totalBytes: 16 * gib, availableBytes: 12 * gib },
    cgroup: { version: 2, memoryBytes: undefined, cpus: undefined, pids: undefined, pidsNow: undefined },
    clock: { synchronized: true, by: 'chronyc tracking', offsetMs: 0.2 },
    runtime: { nodeVersion: '22.23.3', heapLimitBytes: 4 * gib, flags: [] },
    ...change,
  }
}

/** A host that consists of given files and program outputs. */
export function hostOf(
  files: Readonly<Record<string, string>>,
  programs: Readonly<Record<string, string>> = {},
): HostReader {
  const below = (path: string) => Object.keys(files).filter((file) => file.startsWith(`${path}/`))
  return {
    read: (path) => files[path],
    list: (path) => [...new Set(below(path).map((file) => file.slice(path.length + 1).split('/')[0]!))],
    exists: (path) => files[path] !== undefined || below(path).length > 0,
    run: (program, args) => programs[[program, ...args].join(' ')],
    fileSystem: () => undefined,
    platform: 'linux',
    cpus: 2,
    runtime: { nodeVersion: '22.1.0', heapLimitBytes: 1e9, flags: [] },
  }
}
