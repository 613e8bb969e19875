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
  /** Seconds since the first event was due; below 0 = warm-up. */
  readonly second: number
  readonly published: number
  readonly received: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly maxMs: number
  readonly live: number
  readonly serverMiB: number
}

/**
 * One run, as `--json` prints it. Times are in ms; CPU is seconds of core time within
 * `measuredSeconds`.
 */
export interface Report {
  readonly target: string
  readonly settings: Readonly<Record<string, unknown>>
  readonly host: string
  readonly startedAt: string
  readonly load: Load
  /** How long events were measured; shorter than requested when the run was interrupted. */
  readonly measuredSeconds: number
  readonly interrupted: boolean
  readonly eventsPerSecond: number
  readonly deliveriesPerSecond: number
  /**
   * Latency to clients that were live when the event was due, to clients that had missed it, and
   * to slow readers.
   */
  readonly latency: LatencyFigures
  readonly caughtUp: LatencyFigures
  readonly slow: LatencyFigures
  /** The distribution of `latency`: ms, and the share of all values at or below it. */
  readonly distribution: readonly (readonly [ms: number, share: number])[]
  /** By position; anything but 0 in the first two fails the run. */
  readonly promises: {
    readonly lost: number
    readonly repeated: number
    /** Gap frames, and the events that they covered. */
    readonly gaps: number
    readonly told: number
    /** Events without an acknowledgement: the log may or may not have them. */
    readonly unknown: number
    /** Connections that ended unexpectedly. */
    readonly broken: number
  }
  readonly connecting: {
    readonly perSecond: number
    readonly first: LatencyFigures
    /**
     * From the loss of the connection until live again, including the missed events (SSE, poll:
     * without the missed events).
     */
    readonly again: LatencyFigures
    /** Time from the action until all clients were live again; storm only. */
    readonly stormMs: number | undefined
  }
  readonly cpu: Readonly<Record<Part, { readonly userS: number; readonly systemS: number; readonly busiest: number }>>
  readonly hostIdle: number
  /** CPU of the servers, µs a delivery. */
  readonly cpuUsPerDelivery: number
  readonly memory: {
    /**
     * Growth while the clients connected, bytes a connection: the servers' resident memory, and
     * the kernel's memory for both ends.
     */
    readonly userBytesPerConnection: number
    readonly kernelBytesPerConnection: number
    readonly serverMiB: number
  }
  /**
   * Figures from the servers' metrics; undefined = no metrics. Quantiles are the bound of their
   * bucket, ms.
   */
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
    /** How late events were sent, ms. */
    readonly publisherLateP99Ms: number
    readonly publisherLateMaxMs: number
    readonly clientLoopP99Ms: number
    /**
     * The generator's highest rates on this host, measured before the run; undefined = not
     * requested.
     */
    readonly calibration: Calibration | undefined
    /**
     * Why the figures describe the generator, the publish path or the host rather than the
     * servers' fan-out; empty = they do not.
     */
    readonly limits: readonly string[]
  }
  readonly timeline: readonly Second[]
  /** Result of a rate search. The report describes the best rate's last trial. */
  readonly found?:
    | {
        readonly p99Ms: number
        /** The highest rate that passed three times; undefined = none. */
        readonly rate: number | undefined
        /** The lowest rate that failed. */
        readonly failedAt: number | undefined
        readonly trials: readonly {
          readonly rate: number
          readonly p99Ms: number
          readonly passed: boolean
          readonly why: string
        }[]
      }
    | undefined
  /** Reasons why the run failed. */
  readonly problems: readonly string[]
}

export interface Calibration {
  /** Highest rate of one client process, for messages like the run's. */
  readonly clientMessagesPerSecond: number
  readonly clientUsPerMessage: number
  /** Highest rate at which the publisher can produce events. */
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

/**
 * Formats the memory of a connection. A process that shrank through garbage collection in between
 * has no meaningful figure.
 */
export function growth(bytes: number, digits: (value: number) => string): string {
  return bytes > 0 ? `${digits(bytes / 1024)} KiB` : 'too little to measure'
}
