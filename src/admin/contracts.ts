import type { Clock } from '../base/clock.ts'
import type { LimitName, LimitRow } from '../base/limits.ts'

/**
 * The admin listener's view of the gateway. Each callback answers from memory at once, so a
 * scrape or a probe never waits for the broker.
 */
export interface AdminContracts {
  /** The gateway's id, new on each start. */
  readonly gateway: string
  readonly version: string
  readonly clock: Clock
  readiness(): Readiness
  metrics(): { readonly contentType: string; readonly text: string }
  status(): GatewayStatus
  /** Returns the newest rejected records, newest first, and the total number. */
  rejected(): { readonly total: number; readonly records: readonly object[] }
  /** Called when a limit of this listener refused the address `who`. */
  refused(limit: LimitName, who: string): void
  /** Returns the routing table's rows. */
  routes(): readonly object[]
}

/** Texts for people. */
export interface Readiness {
  /** Why new clients should go elsewhere; empty = ready. */
  readonly reasons: readonly string[]
  /** Problems that do not affect readiness. */
  readonly degraded: readonly string[]
}

export interface GatewayStatus {
  readonly uptimeMs: number
  /** The broker's name, without credentials. */
  readonly broker: string
  readonly sessions: Readonly<Record<'websocket' | 'sse' | 'poll', number>>
  readonly subscriptions: number
  readonly streams: readonly StreamStatus[]
  /** Refusals by limit since the start. */
  readonly limits: readonly LimitRow[]
}

export interface StreamStatus {
  readonly name: string
  readonly topic: string
  readonly state: 'starting' | 'up' | 'away' | 'missing'
  /** Why the state is not `up`; empty if it is. */
  readonly detail: string
  /**
   * Distinguishes this log from earlier ones with the same name; absent until the broker has
   * described it.
   */
  readonly incarnation?: string | undefined
  readonly partitions: readonly PartitionStatus[]
}

/**
 * Offsets. `head - read` is the lag. `blocked` offsets are beyond the head, held back by an open
 * transaction.
 */
export interface PartitionStatus {
  readonly partition: number
  /** The first offset that the broker retains. */
  readonly first: number
  /** The next offset that the broker will write. */
  readonly head: number
  /** The next offset that this gateway will read. */
  readonly read: number
  readonly blocked: number
  /** The oldest offset in this gateway's window. */
  readonly windowTail: number
}
