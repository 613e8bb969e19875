import type { Readiness } from '../admin/contracts.ts'
import type { StreamTrouble } from '../serving/serving.ts'

/** Whether clients come in: the listener is open, not open yet, or closed for want of descriptors. */
export type ListenerState = 'open' | 'not yet' | 'no descriptors'

export interface ReadinessFacts {
  readonly leaving: boolean
  readonly door: ListenerState
  readonly streams: readonly StreamTrouble[]
  /** What brokers hold back, for people. */
  readonly pauses: readonly string[]
}

const doorReasons = {
  open: [],
  'not yet': ['the gateway is starting'],
  'no descriptors': ['descriptors are used up, no connections are taken: raise LimitNOFILE'],
} as const satisfies Readonly<Record<ListenerState, readonly string[]>>

/**
 * What `/readyz` says. New clients are to go elsewhere (503) where this gateway can serve none: it leaves, it is starting, or it has no descriptors left. What ails
 * all gateways alike is no reason: a broker that went away, or a partition that can't be read, leaves sessions where they are, and a balancer that
 * believed them all unready would end them all.
 */
export function readiness({ leaving, door, streams, pauses }: ReadinessFacts): Readiness {
  if (leaving) return { reasons: ['the gateway is going away'], degraded: [] }
  const told = (wanted: StreamTrouble['when']) => streams.filter(({ when }) => when === wanted).map(({ what }) => what)
  return {
    reasons: [...told('before it was served'), ...doorReasons[door]],
    degraded: [...told('while it is served'), ...pauses],
  }
}
