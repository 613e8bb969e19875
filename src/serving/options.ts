import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { FillOptions } from '../fanout/fill.ts'
import type { RoutingTable } from '../routing/table.ts'
import type { SessionLimits } from '../session/limits.ts'
import type { Source } from '../source/source.ts'
import type { Instruments } from '../telemetry/instruments.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { StreamFormat } from '../wire/stream-format.ts'
import type { ReadBackBudgets, WindowBudgets } from './sizes.ts'

/** One stream: the broker's name for it, and what its records are; `streamFormatDefaults` where that is not given. */
export interface ServedStream extends Partial<StreamFormat> {
  readonly topic: string
  /** How many partitions it gets where this gateway creates it. */
  readonly partitions: number
}

/** What clients are told at `welcome`, and held to. */
export interface ServingLimits {
  /** Sessions at once, over all transports. */
  readonly maxSessions: number
  /** Subscriptions of one session. */
  readonly maxSubscriptions: number
  /** The edge holds clients to it. */
  readonly maxFrameBytes: number
  readonly maxEventBytes: number
}

export interface ServingOptions {
  /** Id of this gateway and its version, for `welcome`. */
  readonly gateway: string
  readonly version: string
  readonly heartbeatMs: number
  readonly limits: ServingLimits
  /** Limits of a session that no configuration names; `sessionLimits` where they are not given. */
  readonly session?: Partial<Omit<SessionLimits, 'maxSubscriptions'>>
  /** By the names that routes and tokens have for them. */
  readonly streams: Readonly<Record<string, ServedStream>>
  /** Creates a stream that the broker does not have, or waits for it. An embedded log is always created. */
  readonly createTopics: boolean
  readonly window: WindowBudgets
  readonly fill: FillOptions
  readonly readBack: ReadBackBudgets
  /** Seed of the subject hash: hard to guess, so that nobody can choose subjects whose hashes collide. */
  readonly seed: number
}

export interface ServingContracts {
  /** Opened and closed by whoever gives it; read until `close` has resolved. */
  readonly source: Source
  readonly routing: RoutingTable
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Counted in. Whoever wants traces sets those of a stream, at any time. */
  readonly instruments: Instruments
  /** Runs a task soon, after other events had their turn: `setImmediate`. */
  readonly defer: (task: () => void) => void
}
