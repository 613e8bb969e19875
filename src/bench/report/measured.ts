import type { Received } from '../load/generator.ts'
import type { Latencies } from '../load/latencies.ts'
import type { Usage } from '../process/meter.ts'
import type { Metrics } from '../process/metrics.ts'
import type { Second } from './report.ts'

/** Result of one period of load. */
export interface Measured {
  readonly seconds: number
  /** Published events and arrived deliveries, over the whole seconds of the window. */
  readonly eventsPerSecond: number
  readonly deliveriesPerSecond: number
  readonly usage: Usage
  readonly received: Received
  readonly late: Latencies
  readonly lost: number
  readonly told: number
  readonly unknown: number
  readonly stormMs: number | undefined
  readonly timeline: readonly Second[]
  readonly before: readonly (Metrics | undefined)[]
  readonly after: readonly (Metrics | undefined)[]
  readonly publisherReasons: readonly string[]
}
