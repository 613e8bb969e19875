import type { Load } from '../load/scenario.ts'
import type { Target } from '../load/target.ts'
import { type Part, parts, type Usage } from '../process/meter.ts'
import { type Metrics, quantileBound } from '../process/metrics.ts'
import type { Measured } from './measured.ts'
import { type Calibration, figuresOf, type Report } from './report.ts'

/** How the clients came. */
export interface Opening {
  readonly connectSeconds: number
  readonly connected: number
  /** A connection: growth of the servers' memory, and of the kernel's. */
  readonly userBytes: number
  readonly kernelBytes: number
}

export interface RunFacts {
  readonly target: Target
  readonly load: Load
  /** How the run ended. */
  readonly stop: { readonly interrupted: boolean; readonly problem: string | undefined }
  readonly calibration: Calibration | undefined
  readonly startedAt: Date
  readonly host: string
}

/** Shares of a core, and times, from which on the generator has no room left for a fair measurement. */
const maxShare = 0.9
const maxLateMs = 20
const maxLoopMs = 30
/** Below this everybody waits for a core. */
const leastIdle = 0.03
/** Less than this of what was asked for has been published. */
const leastPublished = 0.98

export function composeReport(run: RunFacts, opening: Opening, clientProcesses: number, measured: Measured): Report {
  const { target, load, stop } = run
  const { received, usage, seconds } = measured
  const deliveries = measured.deliveriesPerSecond * seconds
  const limits = limitsOf(load, measured)
  return {
    target: target.name,
    settings: target.settings,
    host: run.host,
    startedAt: run.startedAt.toISOString(),
    load,
    measuredSeconds: seconds,
    interrupted: stop.interrupted,
    eventsPerSecond: measured.eventsPerSecond,
    deliveriesPerSecond: measured.deliveriesPerSecond,
    latency: figuresOf(received.live),
    caughtUp: figuresOf(received.caughtUp),
    slow: figuresOf(received.slow),
    distribution: received.live.distribution().map(({ us, share }) => [us / 1000, share] as const),
    promises: {
      lost: measured.lost,
      repeated: received.repeated,
      gaps: received.gaps,
      told: measured.told,
      unknown: measured.unknown,
      broken: received.broken,
    },
    connecting: {
      perSecond: opening.connected / opening.connectSeconds,
      first: figuresOf(received.coming),
      again: figuresOf(received.returning),
      stormMs: measured.stormMs,
    },
    cpu: cpuOfParts(usage),
    hostIdle: usage.idle,
    cpuUsPerDelivery: usage.cpu.servers.totalUs / deliveries,
    memory: {
      userBytesPerConnection: opening.userBytes,
      kernelBytesPerConnection: opening.kernelBytes,
      serverMiB: measured.timeline.at(-1)?.serverMiB ?? Number.NaN,
    },
    server: serverFigures(measured),
    generator: {
      clientProcesses,
      publisherLateP99Ms: measured.late.quantileUs(0.99) / 1000,
      publisherLateMaxMs: measured.late.maxUs / 1000,
      clientLoopP99Ms: received.loopDelayP99Ms,
      calibration: run.calibration,
      limits,
    },
    timeline: measured.timeline,
    problems: problemsOf(run, measured),
  }
}

function cpuOfParts({ cpu, busiest }: Usage): Report['cpu'] {
  const figures = (part: Part) => ({
    userS: cpu[part].userUs / 1e6,
    systemS: cpu[part].systemUs / 1e6,
    busiest: busiest[part],
  })
  return Object.fromEntries(parts.map((part) => [part, figures(part)])) as Report['cpu']
}

/** Two scrapes of one server; the first counts for nothing where it has started again since. */
interface Scrapes {
  readonly first: Metrics | undefined
  readonly last: Metrics
}

function serverFigures({ before, after }: Measured): Report['server'] {
  const pairs = after.flatMap((last, i): Scrapes[] => {
    if (last === undefined) return []
    const first = before[i]
    const same = first?.sum(startTime) === last.sum(startTime)
    return [{ first: same ? first : undefined, last }]
  })
  if (pairs.length === 0) return undefined
  const grown = (name: string) =>
    pairs.reduce((all, { first, last }) => all + last.sum(name) - (first?.sum(name) ?? 0), 0)
  const worst = (name: string, q: number) =>
    Math.max(...pairs.map(({ first, last }) => quantileBound(first?.buckets(name) ?? new Map(), last.buckets(name), q)))
  return {
    gcPauses: grown('nodejs_gc_duration_seconds_count'),
    gcMs: grown('nodejs_gc_duration_seconds_sum') * 1000,
    gcP99Ms: worst('nodejs_gc_duration_seconds', 0.99) * 1000,
    loopDelayP99Ms: worst('nodejs_eventloop_delay_seconds', 0.99) * 1000,
    gaps: grown('carillon_gaps_total'),
  }
}

const startTime = 'process_start_time_seconds'

/** Why the figures say more of the generator, of the way in or of the host than of the fan-out. */
function limitsOf({ rate, action }: Load, { usage, late, received, eventsPerSecond }: Measured): string[] {
  const limits: string[] = []
  const percent = (share: number) => `${Math.round(share * 100)} %`
  const { clients, publisher } = usage.busiest
  if (clients > maxShare) limits.push(`a process of clients used ${percent(clients)} of a core`)
  if (publisher > maxShare) limits.push(`the publisher used ${percent(publisher)} of a core`)
  // A gateway that was killed, and through which events went in, holds up its publisher: that is the scenario.
  const lateMs = late.quantileUs(0.99) / 1000
  const isLate = lateMs > maxLateMs || eventsPerSecond < rate * leastPublished
  if (isLate && action !== 'failover') {
    const rates = `${eventsPerSecond.toFixed(0)} of ${rate.toFixed(0)} events a second were published, ${lateMs.toFixed(0)} ms late (p99)`
    const why =
      publisher > maxShare ? '' : ': earlier events were not acknowledged yet, or the publisher waited for a core'
    limits.push(`${rates}${why}`)
  }
  if (received.loopDelayP99Ms > maxLoopMs)
    limits.push(`clients read ${received.loopDelayP99Ms.toFixed(0)} ms late (p99)`)
  if (usage.idle < leastIdle) limits.push(`the host had ${percent(usage.idle)} of its CPU time left`)
  return limits
}

function problemsOf({ stop, load }: RunFacts, measured: Measured): string[] {
  const { received, lost, unknown, publisherReasons } = measured
  const problems: string[] = []
  if (stop.problem !== undefined) problems.push(stop.problem)
  if (lost > 0) problems.push(`${lost} deliveries were lost`)
  if (received.repeated > 0) problems.push(`${received.repeated} deliveries were repeated or out of order`)
  const why = received.reasons.length === 0 ? '' : ` (${received.reasons.join('; ')})`
  if (received.broken > 0 && load.action !== 'failover') problems.push(`${received.broken} connections broke${why}`)
  if (unknown > 0 && load.action !== 'failover') {
    problems.push(`${unknown} events were not acknowledged (${publisherReasons.join('; ')})`)
  }
  if (received.live.count + received.caughtUp.count + received.slow.count === 0) {
    problems.push('nothing was delivered: does the server read the stream to which the events are published?')
  }
  return problems
}
