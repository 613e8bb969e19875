import type { Latencies } from '../load/latencies.ts'
import type { Load } from '../load/scenario.ts'
import type { Part } from '../process/meter.ts'

/** A latency distribution in figures, ms; NaN fields are null in JSON. */
export interface LatencyFigures {
  readonly count: number
  readonly meanMs: number
  readonly sdMs: number
  readonly p50Ms: number
  readonly p90Ms: number
  readonly p99Ms: number
  readonly p999Ms: number
  readonly p9999Ms: number
  readonly maxMs: number
}

/** One second of the run, by arrival. */
export interface Second {
  /** Since the first event was due; below 0 is warm-up. */
  readonly second: number
  readonly published: number
  readonly received: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly live: number
  readonly serverMiB: number
}

/** One run, as `--json` has it. Times are ms, CPU is seconds of core time within `measuredSeconds`. */
export interface Report {
  readonly target: string
  readonly settings: Readonly<Record<string, unknown>>
  readonly host: string
  readonly startedAt: string
  readonly load: Load
  /** How long events were measured: shorter than asked for where the run was interrupted. */
  readonly measuredSeconds: number
  readonly interrupted: boolean
  readonly eventsPerSecond: number
  readonly deliveriesPerSecond: number
  /** To clients that were live when the event was due; to those that had missed it; to slow readers. */
  readonly latency: LatencyFigures
  readonly caughtUp: LatencyFigures
  readonly slow: LatencyFigures
  /** The distribution of `latency`: ms, and the share of all that is not above it. */
  readonly distribution: readonly (readonly [ms: number, share: number])[]
  /** By position; anything but 0 in the first two fails the run. */
  readonly promises: {
    readonly lost: number
    readonly repeated: number
    /** Gap frames, and the events that they told of. */
    readonly gaps: number
    readonly told: number
    /** Events whose publisher got no answer: they may be there or not. */
    readonly unknown: number
    /** Connections that ended without being asked to. */
    readonly broken: number
  }
  readonly connecting: {
    readonly perSecond: number
    readonly first: LatencyFigures
    /** From losing the connection until being live again, with all that was missed (SSE, poll: but for what was missed). */
    readonly again: LatencyFigures
    /** How long the action took until everybody was live again; storm only. */
    readonly stormMs: number | undefined
  }
  readonly cpu: Readonly<Record<Part, { readonly userS: number; readonly systemS: number; readonly busiest: number }>>
  readonly hostIdle: number
  /** CPU of the servers, µs a delivery. */
  readonly cpuUsPerDelivery: number
  readonly memory: {
    /** Growth while the clients came, bytes a connection: of the servers' resident memory, and of the kernel's for both ends. */
    readonly userBytesPerConnection: number
    readonly kernelBytesPerConnection: number
    readonly serverMiB: number
  }
  /** Of the servers, from their metrics; absent where there are none. Quantiles are their bucket's bound, ms. */
  readonly server:
    | {
        readonly gcPauses: number
        readonly gcMs: number
        readonly gcP99Ms: number
        readonly loopDelayP99Ms: number
        readonly gaps: number
      }
    | undefined
  readonly generator: {
    readonly clientProcesses: number
    /** How late events were handed over, ms. */
    readonly publisherLateP99Ms: number
    readonly publisherLateMaxMs: number
    readonly clientLoopP99Ms: number
    /** What it can do at most here, found before the run; absent where that was not asked for. */
    readonly calibration: Calibration | undefined
    /** Why the figures say more of the generator, of the way in or of the host than of the servers' fan-out; empty where they don't. */
    readonly limits: readonly string[]
  }
  readonly timeline: readonly Second[]
  /** Where a rate was searched: the report is of the best one's last trial. */
  readonly found?:
    | {
        readonly p99Ms: number
        /** The highest that passed three times; undefined = none. */
        readonly rate: number | undefined
        /** The lowest that failed. */
        readonly failedAt: number | undefined
        readonly trials: readonly {
          readonly rate: number
          readonly p99Ms: number
          readonly passed: boolean
          readonly why: string
        }[]
      }
    | undefined
  /** What makes this a failed run. */
  readonly problems: readonly string[]
}

export interface Calibration {
  /** Of one process of clients, for messages like the run's. */
  readonly clientMessagesPerSecond: number
  readonly clientUsPerMessage: number
  /** Events that the publisher can make. */
  readonly publisherEventsPerSecond: number
}

export function figuresOf(latencies: Latencies): LatencyFigures {
  const ms = (q: number) => latencies.quantileUs(q) / 1000
  return {
    count: latencies.count,
    meanMs: latencies.meanUs / 1000,
    sdMs: latencies.sdUs / 1000,
    p50Ms: ms(0.5),
    p90Ms: ms(0.9),
    p99Ms: ms(0.99),
    p999Ms: ms(0.999),
    p9999Ms: ms(0.9999),
    maxMs: latencies.count === 0 ? Number.NaN : latencies.maxUs / 1000,
  }
}

/** What a connection takes, in words: a process that has collected its garbage meanwhile has shrunk, and that says nothing. */
export function growth(bytes: number, digits: (value: number) => string): string {
  return bytes > 0 ? `${digits(bytes / 1024)} KiB` : 'too little to measure'
}
