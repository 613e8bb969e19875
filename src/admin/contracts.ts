import type { Clock } from '../base/clock.ts'
import type { LimitName, LimitRow } from '../base/limits.ts'

/**
 * What the admin listener asks of the gateway. Each callback answers at once, from memory: a scrape or a probe never waits
 * for the broker.
 */
export interface AdminContracts {
  /** The gateway's id, new at each start. */
  readonly gateway: string
  readonly version: string
  readonly clock: Clock
  readiness(): Readiness
  metrics(): { readonly contentType: string; readonly text: string }
  status(): GatewayStatus
  /** The newest records that could not be used, newest first, and how many there were in all. */
  rejected(): { readonly total: number; readonly records: readonly object[] }
  /** A limit of this listener refused `who`, an address. */
  refused(limit: LimitName, who: string): void
  /** The routing table's rows. */
  routes(): readonly object[]
}

/** For people. */
export interface Readiness {
  /** Why new clients should go elsewhere; empty = the gateway is ready. */
  readonly reasons: readonly string[]
  /** What is wrong although it is ready. */
  readonly degraded: readonly string[]
}

export interface GatewayStatus {
  readonly uptimeMs: number
  /** The broker's name, without credentials. */
  readonly broker: string
  readonly sessions: Readonly<Record<'websocket' | 'sse' | 'poll', number>>
  readonly subscriptions: number
  readonly streams: readonly StreamStatus[]
  /** Who was refused by which limit, since the start. */
  readonly limits: readonly LimitRow[]
}

export interface StreamStatus {
  readonly name: string
  readonly topic: string
  readonly state: 'starting' | 'up' | 'away' | 'missing'
  /** Why it is not up; empty when it is. */
  readonly detail: string
  /** Tells this log from an earlier one of its name; absent until the broker has said it. */
  readonly incarnation?: string | undefined
  readonly partitions: readonly PartitionStatus[]
}

/** Offsets; `head - read` is the lag, and `blocked` lie behind the head while a transaction is open. */
export interface PartitionStatus {
  readonly partition: number
  /** The first that the broker keeps. */
  readonly first: number
  /** The next that the broker will write. */
  readonly head: number
  /** The next that this gateway reads. */
  readonly read: number
  readonly blocked: number
  /** The oldest in this gateway's window. */
  readonly windowTail: number
}
