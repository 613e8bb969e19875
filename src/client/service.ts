import type { Delivery, Gap } from '../wire/frames.ts'
import type { Token } from '../wire/partition-counts.ts'
import type { Position } from '../wire/token.ts'
import type { TrackedSubscription } from './tracked-subscription.ts'

/**
 * How one connection serves one subscription: selects the frames for it, and moves its position.
 * Each connection makes new ones. Deliveries and gaps return a boolean as in `SubscriptionSink`.
 */
export interface Service {
  readonly followed: TrackedSubscription
  /**
   * `position`: the one after the delivery; undefined if the delivery names its stream, and
   * positions arrive separately.
   */
  delivery(delivery: Delivery, position: Position | undefined): boolean
  gap(gap: Gap): boolean
  /**
   * Handles the gateway's positions of the subscriptions that it serves. Returns true if this one
   * has to leave: it has not received the gap of a history that the others are in.
   */
  stands(said: Token): boolean
  /**
   * All missed events have been sent. `again`: some of them could not be held, so the subscription
   * must be requested again.
   */
  becameLive(): 'live' | 'full' | 'again'
}
