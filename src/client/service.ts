import type { Delivery, Gap } from '../wire/frames.ts'
import type { Token } from '../wire/partition-counts.ts'
import type { Position } from '../wire/token.ts'
import type { TrackedSubscription } from './tracked-subscription.ts'

/**
 * How one connection serves one subscription: what of that which comes is for it, and moves it. A subscription gets a new one with each
 * connection. Deliveries and gaps as in `SubscriptionSink`.
 */
export interface Service {
  readonly followed: TrackedSubscription
  /** `position`: right behind it; undefined where the delivery names its stream, and positions come by themselves. */
  delivery(delivery: Delivery, position: Position | undefined): boolean
  gap(gap: Gap): boolean
  /**
   * The gateway says where those stand whom it serves. True where it is served no more to its good: it has not been told of a history
   * that the others are in.
   */
  stands(said: Token): boolean
  /** What it missed has been told. `again`: not all could be kept meanwhile, it is to be asked for anew. */
  becameLive(): 'live' | 'full' | 'again'
}
