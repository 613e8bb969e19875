import type { PartitionFeed } from '../fanout/partition-feed.ts'
import type { GatewayInstruments } from '../telemetry/instruments.ts'
import type { Position } from '../wire/token.ts'
import { type Account, sizes, type Totals } from './account.ts'
import type { SessionLimits } from './options.ts'
import { type Leg, newLeg, type Subscription } from './subscription.ts'
import type { Tracks } from './tracks.ts'

interface HoldingsContext {
  readonly limits: Pick<SessionLimits, 'maxCarried'>
  readonly instruments: GatewayInstruments
  readonly totals: Pick<Totals, 'requireRoom'>
}

/** What subscriptions need once they have begun: the partitions that they read, and bytes beside those of these. */
export interface Requirements {
  readonly feeds: readonly PartitionFeed[]
  readonly bytes: number
}

/** What a session's subscriptions hold, counted: themselves, their legs, and positions for partitions to come. */
export class SubscriptionCost {
  readonly #account: Account
  readonly #tracks: Tracks
  readonly #context: HoldingsContext
  /** Positions that are kept for partitions to come, in number. */
  #carried = 0

  constructor(account: Account, tracks: Tracks, context: HoldingsContext) {
    this.#account = account
    this.#tracks = tracks
    this.#context = context
  }

  /** Takes their memory, and keeps as much free as they need once they have begun. Throws `overloaded` where there is no room. */
  take(subscriptions: readonly Subscription[], needs: Requirements): void {
    this.#context.totals.requireRoom(subscriptions.length, subscriptions.filter(({ pattern }) => pattern).length)
    const own = subscriptions.reduce((sum, { ownBytes }) => sum + ownBytes, 0)
    const reserved = this.#bytesFor(needs)
    this.#account.take(own + reserved)
    subscriptions[0]!.reserved = reserved
  }

  /** Its partitions may be others by now. Throws as `take`. */
  reserve(subscription: Subscription, needs: Requirements): void {
    const reserved = this.#bytesFor(needs)
    if (reserved > subscription.reserved) this.#account.ensure(reserved - subscription.reserved)
    this.#account.charge(reserved - subscription.reserved)
    subscription.reserved = reserved
  }

  #bytesFor({ feeds, bytes }: Requirements): number {
    const fresh = feeds.filter((feed) => this.#tracks.get(feed) === undefined).length
    return bytes + fresh * sizes.track
  }

  /** They begin: their parts are counted one by one. */
  release(subscription: Subscription): void {
    this.#account.give(subscription.reserved)
    subscription.reserved = 0
  }

  /** One more, or one less, for operators. */
  count({ pattern }: Subscription, by: 1 | -1): void {
    const { instruments } = this.#context
    instruments.subscriptions += by
    if (pattern) instruments.patterns += by
  }

  addLeg(subscription: Subscription, feed: PartitionFeed): Leg {
    this.#account.charge(subscription.legBytes)
    return newLeg(subscription, feed)
  }

  leave(leg: Leg, position?: 'forgotten' | 'carried'): void {
    this.#tracks.leave(leg, position)
    this.#account.give(leg.subscription.legBytes)
  }

  /** Keeps positions for it, if there is room for all of them. */
  carry(subscription: Subscription, positions: readonly Position[]): void {
    const { length } = positions
    if (length === 0 || this.#carried + length > this.#context.limits.maxCarried) return
    if (!this.#account.tryTake(length * sizes.position)) return
    this.#carried += length
    subscription.carried = [...subscription.carried, ...positions]
  }

  drop(subscription: Subscription, isOver: (position: Position) => boolean): void {
    const { length } = subscription.carried
    subscription.carried = subscription.carried.filter((position) => !isOver(position))
    const dropped = length - subscription.carried.length
    this.#carried -= dropped
    this.#account.give(dropped * sizes.position)
  }

  /** It holds nothing more but its legs. */
  forget(subscription: Subscription): void {
    this.drop(subscription, () => true)
    this.count(subscription, -1)
    this.release(subscription)
    this.#account.give(subscription.ownBytes)
  }
}

/** What the legs take of subscriptions that share their partitions' readers, bytes. */
export function legBytesOf(readers: ReadonlyMap<PartitionFeed, readonly Subscription[]>): number {
  let sum = 0
  for (const subscriptions of readers.values()) for (const { legBytes } of subscriptions) sum += legBytes
  return sum
}
