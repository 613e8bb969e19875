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

/**
 * Needs of subscriptions once they have begun: the partitions that they read, and bytes in
 * addition to the cost of these partitions.
 */
export interface Requirements {
  readonly feeds: readonly PartitionFeed[]
  readonly bytes: number
}

/**
 * Counts what a session's subscriptions hold: themselves, their legs, and positions for
 * partitions that they may move into.
 */
export class SubscriptionCost {
  readonly #account: Account
  readonly #tracks: Tracks
  readonly #context: HoldingsContext
  /** Number of positions kept for partitions that subjects may move into. */
  #carried = 0

  constructor(account: Account, tracks: Tracks, context: HoldingsContext) {
    this.#account = account
    this.#tracks = tracks
    this.#context = context
  }

  /**
   * Charges the subscriptions, and reserves what they need once they have begun. Throws
   * `overloaded` if there is no room.
   */
  take(subscriptions: readonly Subscription[], needs: Requirements): void {
    this.#context.totals.requireRoom(subscriptions.length, subscriptions.filter(({ pattern }) => pattern).length)
    const own = subscriptions.reduce((sum, { ownBytes }) => sum + ownBytes, 0)
    const reserved = this.#bytesFor(needs)
    this.#account.take(own + reserved)
    subscriptions[0]!.reserved = reserved
  }

  /** Adjusts the reservation, because its partitions may have changed. Throws as `take`. */
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

  /** Ends the reservation of a subscription that begins: its parts are charged one by one. */
  release(subscription: Subscription): void {
    this.#account.give(subscription.reserved)
    subscription.reserved = 0
  }

  /** Adds `by` to the operators' counts of subscriptions and patterns. */
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

  /** Keeps positions for a subscription, if there is room for all of them. */
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

  /** Frees everything that it holds, except its legs. */
  forget(subscription: Subscription): void {
    this.drop(subscription, () => true)
    this.count(subscription, -1)
    this.release(subscription)
    this.#account.give(subscription.ownBytes)
  }
}

/**
 * Returns the memory cost of the legs of subscriptions that share their partitions' readers,
 * bytes.
 */
export function legBytesOf(readers: ReadonlyMap<PartitionFeed, readonly Subscription[]>): number {
  let sum = 0
  for (const subscriptions of readers.values()) for (const { legBytes } of subscriptions) sum += legBytes
  return sum
}
