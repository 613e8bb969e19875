import { bytes, counted, grouped } from '../base/numbers.ts'
import { roomyMiB, sessionCost } from '../capacity/session-cost.ts'
import { windowBytes, windowSum } from '../capacity/windows.ts'
import { type Finding, fail, pass, unknown, warn } from './finding.ts'
import type { HostFacts } from './host-facts.ts'
import type { HostLoad } from './load.ts'

/** The Node version for which uWebSockets.js has a binary, and on which the tests run. */
const nodeMajor = 22
/** Size of V8's young generation, as bin/carillon sets it. */
const semiSpaceMiB = 32
/** Threads of the thread pool, V8's workers and the broker's clients together, with a margin. */
const neededThreads = 64
/** Clock offset above which latencies between hosts mislead, ms. */
const clockMs = 50

/** Checks the process's version, memory, CPU and clock. */
export function processChecks(facts: HostFacts, load: HostLoad): Finding[] {
  return [
    node(facts),
    heap(facts, load),
    sessions(load),
    memory(facts, load),
    cgroupMemory(facts, load),
    cgroupCpu(facts),
    cgroupPids(facts),
    clockSync(facts),
  ]
}

function node({ runtime: { nodeVersion, flags } }: HostFacts): Finding {
  const check = 'node'
  const figure = [`v${nodeVersion}`, ...flags.filter((flag) => !flag.startsWith('--disable-warning'))].join(' ')
  if (Number(nodeVersion.split('.')[0]) !== nodeMajor) {
    return fail(
      check,
      figure,
      `the gateway needs Node ${nodeMajor}: uWebSockets.js has no binary for other versions`,
      'bin/carillon, which finds the locked version; npm ci installs it',
    )
  }
  const semiSpace = flags
    .map((flag) => /^--max[-_]semi[-_]space[-_]size=(\d+)$/.exec(flag)?.[1])
    .find((size) => size !== undefined)
  if (Number(semiSpace ?? 0) > semiSpaceMiB) {
    return warn(
      check,
      figure,
      `more than the ${semiSpaceMiB} MiB of bin/carillon makes each collection of the young generation take longer, because it copies survivors`,
      'CARILLON_NODE_OPTIONS without --max-semi-space-size',
    )
  }
  const slow = flags.find((flag) => /^--(inspect|jitless|prof|trace-gc|cpu-prof|single-threaded)/.test(flag))
  if (slow !== undefined)
    return warn(
      check,
      figure,
      `${slow} is for debugging, and slows the gateway down`,
      'leave it out of CARILLON_NODE_OPTIONS and NODE_OPTIONS',
    )
  return pass(check, figure, 'the tested version and options')
}

function heap({ runtime: { heapLimitBytes } }: HostFacts, { clients }: HostLoad): Finding {
  const check = 'heap'
  const needed = sessionCost.processHeapBytes + clients * sessionCost.heapBytes
  const figure = `V8 may use ${bytes(heapLimitBytes)}`
  const reason = `${grouped(clients)} sessions are about ${bytes(needed)} of JavaScript objects; windows are outside the heap`
  const fix = `CARILLON_NODE_OPTIONS=--max-old-space-size=${Math.ceil((needed * 2) / 2 ** 20 / 256) * 256}`
  if (needed > heapLimitBytes) return fail(check, figure, `${reason}: the process would run out of memory`, fix)
  if (needed > heapLimitBytes * 0.7)
    return warn(check, figure, `${reason}: near the limit V8 collects garbage all the time`, fix)
  return pass(check, figure, reason)
}

/** Checks the session limits, for one subscription a session. */
function sessions({ clients, limits }: HostLoad): Finding {
  const check = 'session limits'
  const { maxSessions, maxTotalSubscriptions, maxTotalSessionMiB } = limits
  const fitting = Math.floor((maxTotalSessionMiB * 2 ** 20) / sessionCost.countedBytes)
  const room = Math.min(maxSessions, maxTotalSubscriptions, fitting)
  const figure = `${grouped(room)} sessions with one subscription each`
  if (room >= clients) return pass(check, figure, 'the configuration admits all clients')
  const raised = [
    ...(maxSessions < clients ? [`limits.maxSessions: ${clients}`] : []),
    ...(maxTotalSubscriptions < clients ? [`limits.maxTotalSubscriptions: ${clients}`] : []),
    ...(fitting < clients ? [`limits.maxTotalSessionMiB: ${roomyMiB(clients)}`] : []),
  ]
  return fail(check, figure, `${grouped(clients)} are expected, and the others are refused`, raised.join(', '))
}

/** Returns the resident and kernel memory of the gateway with its clients, bytes. */
const neededBytes = ({ clients, windows }: HostLoad) =>
  sessionCost.processBytes + windowBytes(windows) + clients * (sessionCost.residentBytes + sessionCost.kernelBytes)

const sum = (load: HostLoad) =>
  `${bytes(neededBytes(load))} = process ${bytes(sessionCost.processBytes)} + windows ${bytes(windowBytes(load.windows))} (${windowSum(load.windows)}) + ${grouped(load.clients)} clients x ${bytes(sessionCost.residentBytes + sessionCost.kernelBytes)}`

const smaller =
  'a smaller window.windowMiB or window.indexMiB in the configuration, which costs broker reads but no events, or more memory'

function memory({ memory }: HostFacts, load: HostLoad): Finding {
  const check = 'memory'
  if (memory === undefined) return unknown(check, 'this system has no /proc/meminfo')
  const figure = `${bytes(memory.availableBytes)} of ${bytes(memory.totalBytes)} available`
  const reason = `at full load the gateway needs ${sum(load)}`
  if (neededBytes(load) > memory.totalBytes * 0.9) return fail(check, figure, reason, smaller)
  if (neededBytes(load) > memory.availableBytes)
    return warn(check, figure, `${reason}; that much is not available now`, smaller)
  return pass(check, figure, reason)
}

function cgroupMemory({ cgroup }: HostFacts, load: HostLoad): Finding {
  const check = 'cgroup memory'
  if (cgroup.version === 0)
    return unknown(
      check,
      'no cgroups are shown in /proc/self/cgroup and /sys/fs/cgroup',
      'cat /sys/fs/cgroup/memory.max',
    )
  const limit = cgroup.memoryBytes
  if (limit === undefined) return pass(check, 'no limit', 'the host decides')
  const needed = neededBytes(load)
  const reason = `at full load the gateway needs ${sum(load)}`
  if (needed <= limit * 0.85) return pass(check, bytes(limit), reason)
  const fix = `MemoryMax=${Math.ceil((needed * 1.25) / 2 ** 20)}M in the systemd unit, or the container's limit; or ${smaller}`
  if (needed > limit) return fail(check, bytes(limit), `${reason}: above the limit the kernel kills it`, fix)
  return warn(check, bytes(limit), `${reason}: with less than 15 % to spare a reconnect storm may reach the limit`, fix)
}

function cgroupCpu({ cgroup, cpus }: HostFacts): Finding {
  const check = 'cgroup cpu'
  if (cgroup.version === 0)
    return unknown(check, 'no cgroups are shown in /proc/self/cgroup and /sys/fs/cgroup', 'cat /sys/fs/cgroup/cpu.max')
  if (cgroup.cpus === undefined)
    return pass(check, `no quota, ${counted(cpus, 'CPU')}`, 'the gateway is never throttled')
  const figure = `quota of ${counted(cgroup.cpus, 'CPU')}`
  const fix =
    "CPUQuota=200% in the systemd unit, or no CPU limit for the container: a share (cpu.weight, Kubernetes' requests) never throttles"
  if (cgroup.cpus < 1)
    return fail(
      check,
      figure,
      'one thread can use up the quota, and then the process stops for the rest of each 100 ms',
      fix,
    )
  if (cgroup.cpus < 1.5)
    return warn(
      check,
      figure,
      "the event loop, V8's collector and the disk's threads share it: after a burst the process stops for the rest of each 100 ms",
      fix,
    )
  return pass(check, figure, 'room for the event loop and the other threads')
}

function cgroupPids({ cgroup }: HostFacts): Finding {
  const check = 'cgroup pids'
  if (cgroup.version === 0)
    return unknown(check, 'no cgroups are shown in /proc/self/cgroup and /sys/fs/cgroup', 'cat /sys/fs/cgroup/pids.max')
  if (cgroup.pids === undefined) return pass(check, 'no limit', 'threads are not limited here')
  const now = cgroup.pidsNow ?? 0
  const figure = `${grouped(cgroup.pids)}, ${grouped(now)} in use`
  if (cgroup.pids - now >= neededThreads) return pass(check, figure, 'room for the threads of a gateway')
  return fail(
    check,
    figure,
    `a gateway has up to ${neededThreads} threads, and cannot start any above the limit`,
    `TasksMax=${now + 4 * neededThreads} in the systemd unit; --pids-limit of the container`,
  )
}

function clockSync({ clock: { synchronized, by, offsetMs } }: HostFacts): Finding {
  const check = 'clock'
  if (synchronized === undefined) {
    return unknown(
      check,
      "neither chronyc nor timedatectl answers here: a container uses its host's clock",
      'chronyc tracking, or timedatectl, on the host itself',
    )
  }
  const figure = `${synchronized ? 'synchronized' : 'not synchronized'}${offsetMs === undefined ? '' : `, ${grouped(offsetMs)} ms off`} (${by})`
  const fix = 'systemctl enable --now chronyd, or systemd-timesyncd'
  if (!synchronized)
    return warn(check, figure, 'latencies, ttl and the times of events compare clocks of several hosts', fix)
  if ((offsetMs ?? 0) > clockMs)
    return warn(check, figure, 'latencies between hosts are wrong by as much', 'chronyc makestep')
  return pass(check, figure, 'latencies between hosts are reliable')
}
