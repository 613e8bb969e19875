import type { Readiness } from '../admin/contracts.ts'
import type { StreamTrouble } from '../serving/serving.ts'

/** State of the listener for clients: open, not open yet, or closed for lack of descriptors. */
export type ListenerState = 'open' | 'not yet' | 'no descriptors'

export interface ReadinessFacts {
  readonly leaving: boolean
  readonly door: ListenerState
  readonly streams: readonly StreamTrouble[]
  /** Descriptions of the brokers' pauses. */
  readonly pauses: readonly string[]
}

const doorReasons = {
  open: [],
  'not yet': ['the gateway is starting'],
  'no descriptors': ['descriptors are used up, and no connections are accepted: raise LimitNOFILE'],
} as const satisfies Readonly<Record<ListenerState, readonly string[]>>

/**
 * Returns the answer of `/readyz`. New clients must go elsewhere (503) if this gateway can serve
 * none: it is shutting down, it is starting, or it has no descriptors left. A problem of all
 * gateways alike is no reason, such as a broker that is away or a partition that cannot be read:
 * sessions stay where they are, and a load balancer that considered all gateways unready would
 * end every session.
 */
export function readiness({ leaving, door, streams, pauses }: ReadinessFacts): Readiness {
  if (leaving) return { reasons: ['the gateway is going away'], degraded: [] }
  const troubles = (wanted: StreamTrouble['when']) =>
    streams.filter(({ when }) => when === wanted).map(({ what }) => what)
  return {
    reasons: [...troubles('before it was served'), ...doorReasons[door]],
    degraded: [...troubles('while it is served'), ...pauses],
  }
}
