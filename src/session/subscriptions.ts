import type { Clock } from '../base/clock.ts'
import { CarillonError } from '../base/errors.ts'
import { SmallMap } from '../base/small-map.ts'
import type { Feeds } from '../fanout/feeds.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import type { Grant } from '../identity/grant.ts'
import type { GatewayInstruments } from '../telemetry/instruments.ts'
import type { ServerFrame, Subscribe, SubscribeOptions } from '../wire/frames.ts'
import { type Asked, encodeSaid, parseAsked } from '../wire/partition-counts.ts'
import { isSameLog, isSamePartition, type Position } from '../wire/token.ts'
import { sizes, type Totals } from './account.ts'
import { freeFound, type LastAsked, LastSearches } from './last.ts'
import type { SearchOwner } from './last-search.ts'
import { requireRoom, requireTokenRoom } from './limits.ts'
import type { ScanBudget } from './matcher.ts'
import type { SessionLimits } from './options.ts'
import type { Outlet } from './outlet.ts'
import { arrivingStart, carriedBy, type Start, startPosition } from './start.ts'
import { announcedCounts, countsOf, findAfter, type Starting, start } from './starting.ts'
import { type Leg, newLeg, newSubscription, type Subscription } from './subscription.ts'
import { legBytesOf, type Requirements, SubscriptionCost } from './subscription-cost.ts'
import type { LegOwner } from './track.ts'
import type { Tracks } from './tracks.ts'

/** Subscriptions that begin together, and what they need in given partitions. */
interface Beginning extends Pick<LastAsked, 'subscriptions' | 'readers'> {
  needs(partitions: readonly PartitionFeed[]): Requirements
}

export interface SubscriptionsContext {
  readonly feeds: Feeds
  readonly limits: SessionLimits
  readonly instruments: GatewayInstruments
  readonly clock: Clock
  /** Seed of the subject hash, the window's. */
  readonly seed: number
  readonly totals: Pick<Totals, 'requireRoom'>
}

/** The part of a session that its subscriptions use. */
export interface SubscriptionsOwner extends SearchOwner {
  readonly outlet: Outlet
  readonly grant: Grant
  readonly ended: boolean
  control(frame: ServerFrame): void
  /** Schedules a run of the session: there is something to read. */
  wake(): void
  /** Reports that a subscription is gone, possibly the last one that was catching up. */
  forgot(): void
  /**
   * Reports that a start cannot be found: an error frame for the ref, or the end of the session
   * if `ref` is 0.
   */
  startFailed(ref: number, error: unknown): void
}

/**
 * A session's subscriptions: where each starts, by `after` or `last`, and where it continues when
 * its stream gets more partitions. Over WebSocket each has a ref and its own start. Over SSE and
 * long-poll all share one position.
 */
export class Subscriptions implements LegOwner {
  readonly #owner: SubscriptionsOwner
  readonly #context: SubscriptionsContext
  readonly #tracks: Tracks
  readonly #holdings: SubscriptionCost
  readonly #byRef = new SmallMap<number, Subscription>()
  /** SSE and poll: legs that have not joined their readers yet. */
  #entering: Iterator<Leg, undefined> | undefined
  /** Set while subscriptions that asked for last events have not begun. */
  #searches: LastSearches | undefined
  /** Whether there has been a subscription. */
  begun = false

  constructor(owner: SubscriptionsOwner, context: SubscriptionsContext, tracks: Tracks) {
    this.#owner = owner
    this.#context = context
    this.#tracks = tracks
    this.#holdings = new SubscriptionCost(owner.account, tracks, context)
  }

  /** WebSocket: adds a subscription. Throws if the request is wrong. */
  add({ ref, subject, after, last, policy }: Subscribe): void {
    if (ref === 0 || this.#byRef.has(ref)) {
      const why = ref === 0 ? 'ref must be a whole number above 0' : `ref ${ref} is in use`
      throw new CarillonError('bad_ref', `${why}: choose another, or unsubscribe it first`)
    }
    requireRoom(this.#context.limits, this.#byRef.size, 1)
    const subscription = newSubscription(ref, subject, this.#context.seed, policy)
    this.#owner.grant.checkSubscribe(subject)
    const wanted = () => this.#context.feeds.partitionsFor(subject)
    const feeds = wanted()
    const asked = parseAsked(after)
    requireOne(last, after)
    const subscriptions = [subscription]
    const each = subscription.legBytes + sizes.reader
    const needs = (those: readonly PartitionFeed[]) => ({ feeds: those, bytes: those.length * each })
    this.#holdings.take(subscriptions, needs(feeds))
    this.#byRef.set(ref, subscription)
    this.begun = true
    this.#holdings.count(subscription, 1)
    const find = this.#finder(asked, last, { subscriptions, needs, readers: () => subscriptions })
    this.#start({ subscriptions, find, wanted, begin: (starts) => this.#begin(subscription, starts, asked) }, feeds)
  }

  /** SSE and poll: adds all subscriptions of the session. Throws if the request is wrong. */
  addAll(subjects: readonly string[], after: readonly string[], { last, policy }: SubscribeOptions): void {
    const { limits, seed } = this.#context
    const distinct = [...new Set(subjects)]
    if (distinct.length === 0) {
      throw new CarillonError('bad_request', 'expected at least one `subject` parameter, got none')
    }
    requireRoom(limits, this.#byRef.size, distinct.length)
    const subscriptions = distinct.map((subject) => newSubscription(0, subject, seed, policy))
    for (const { subject } of subscriptions) this.#owner.grant.checkSubscribe(subject)
    this.#ensureLegs(subscriptions)
    let readers: ReadonlyMap<PartitionFeed, readonly Subscription[]> = new Map()
    const wanted = () => {
      readers = this.#readersOf(subscriptions)
      requireTokenRoom(limits, readers.size)
      return [...readers.keys()]
    }
    const asked = parseAsked(after)
    requireOne(last, after)
    const all = wanted()
    const positions = asked.kind === 'positions' ? asked.positions.length : 0
    const needs = (feeds: readonly PartitionFeed[]) => ({
      feeds,
      bytes: legBytesOf(readers) + positions * sizes.position,
    })
    this.#holdings.take(subscriptions, needs(all))
    const find = this.#finder(asked, last, { subscriptions, needs, readers: (feed) => readers.get(feed)! })
    subscriptions.forEach((subscription, i) => {
      this.#byRef.set(i + 1, subscription)
      this.#holdings.count(subscription, 1)
    })
    const begin = (starts: Start[]) => this.#beginAll(subscriptions, readers, starts, asked)
    this.#start({ subscriptions, find, wanted, begin }, all)
  }

  /** WebSocket: ends the subscription of a ref. Throws `bad_ref` if there is none. */
  remove(ref: number): void {
    const subscription = this.#byRef.get(ref)
    if (subscription === undefined) {
      throw new CarillonError('bad_ref', `ref ${ref} is not a subscription of this session`)
    }
    this.#forget(subscription)
    this.#owner.control({ kind: 'unsubscribed', ref })
  }

  /**
   * Moves each subscription to where its events are now, with a gap: a stream has another number
   * of partitions.
   */
  replace(): void {
    const { feeds } = this.#context
    this.enter({ left: Number.POSITIVE_INFINITY, stoppedAt: 0 })
    for (const subscription of this.#byRef.values()) {
      // It has not begun: its start is being looked up, and its partitions are looked up again
      // afterwards.
      if (subscription.legs.length === 0) continue
      try {
        this.#move(subscription, feeds.partitionsFor(subscription.subject))
      } catch (error) {
        this.#fail(subscription, error)
      }
      if (this.#owner.ended) return
    }
    for (const feed of this.#tracks.feeds()) this.#tracks.counts?.grew(feed, feeds.countOf(feed))
    this.#owner.outlet.batch(() => this.#tracks.flushGaps())
  }

  #move(subscription: Subscription, now: readonly PartitionFeed[]): void {
    const wanted = new Set(now)
    const read = new Set(subscription.legs.map(({ feed }) => feed))
    const gone = subscription.legs.filter(({ feed }) => !wanted.has(feed))
    const fresh = now.filter((feed) => !read.has(feed))
    // The readers in its old partitions are about to go, with the gaps that they have pending. So
    // the new partition reports a log that was re-created.
    const [left] = gone
    const stood = left && this.#tracks.get(left.feed)?.positionOf(left)
    for (const feed of fresh) this.#moveInto(subscription, feed, stood)
    for (const leg of gone) {
      const joining = leg.membership === undefined
      const isSeparate = this.#owner.outlet.transport === 'websocket'
      if (isSeparate) this.#keepAhead(leg)
      this.#holdings.leave(leg, isSeparate ? 'forgotten' : 'carried')
      // It may have been the last leg that was catching up.
      if (joining) this.joined(leg)
    }
  }

  /** Reports a subscription that has no partition, or whose start the broker could not tell. */
  #fail(subscription: Subscription, error: unknown): void {
    const { ref } = subscription
    if (ref !== 0) this.#forget(subscription)
    this.#owner.startFailed(ref, error)
  }

  /** Whether a search for last events is running. */
  get searching(): boolean {
    return this.#searches?.pending === true
  }

  /** Runs one slice of the searches for last events. True = there is more to do at once. */
  search(budget: ScanBudget): boolean {
    const more = this.#searches?.run(budget) === true
    if (!this.searching) this.#searches = undefined
    return more
  }

  /** Closes all subscriptions: the session has ended. */
  close(): void {
    for (const subscription of this.#byRef.values()) {
      subscription.closed = true
      this.#holdings.count(subscription, -1)
    }
    this.#byRef.clear()
    this.#searches?.dropGone()
  }

  joined({ subscription }: Leg): void {
    if (--subscription.joining > 0) return
    subscription.toldLive = true
    this.#owner.control({ kind: 'live', ref: subscription.ref })
  }

  #start(starting: Omit<Starting, 'isGone' | 'discard' | 'failed'>, partitions: readonly PartitionFeed[]): void {
    const { subscriptions } = starting
    const failed = (error: unknown) => this.#fail(subscriptions[0]!, error)
    const discard = (starts: readonly Start[]) => freeFound(this.#owner.account, starts)
    start({ ...starting, isGone: () => this.#areGone(subscriptions), discard, failed }, partitions)
  }

  #areGone(subscriptions: readonly Subscription[]): boolean {
    return this.#owner.ended || subscriptions.every(({ closed }) => closed)
  }

  /**
   * Returns a finder of starts, by `last` if last events are wanted, else by `after`. The
   * partitions may differ from call to call.
   */
  #finder(asked: Asked, n: number | undefined, { needs, ...those }: Beginning): Starting['find'] {
    const { subscriptions } = those
    const find = n === undefined ? findAfter(this.#context.feeds, asked, subscriptions) : this.#finderOfLast(n, those)
    return (partitions) => {
      this.#holdings.reserve(subscriptions[0]!, needs(partitions))
      return find(partitions)
    }
  }

  #finderOfLast(n: number, those: Pick<LastAsked, 'subscriptions' | 'readers'>): Starting['find'] {
    const isGone = () => this.#areGone(those.subscriptions)
    return (partitions) => {
      this.#searches ??= new LastSearches(this.#owner, this.#context)
      const starts = this.#searches.find({ ...those, n, isGone }, partitions)
      if (!this.searching) this.#searches = undefined
      return starts
    }
  }

  /**
   * Throws `overloaded` if there is no room for their legs, before these are created: there may
   * be a thousand in each partition.
   */
  #ensureLegs(subscriptions: readonly Subscription[]): void {
    let bytes = 0
    for (const { subject, legBytes } of subscriptions) {
      bytes += this.#context.feeds.partitionsFor(subject).length * legBytes
      this.#owner.account.ensure(bytes)
    }
  }

  /** Returns the subscriptions that read each partition. */
  #readersOf(subscriptions: readonly Subscription[]): Map<PartitionFeed, Subscription[]> {
    const readers = new Map<PartitionFeed, Subscription[]>()
    for (const subscription of subscriptions) {
      for (const feed of this.#context.feeds.partitionsFor(subscription.subject)) {
        const known = readers.get(feed)
        if (known === undefined) readers.set(feed, [subscription])
        else known.push(subscription)
      }
    }
    return readers
  }

  /**
   * WebSocket: begins a ref at its own start. `live` is sent once it has joined all main readers.
   */
  #begin(subscription: Subscription, starts: Start[], asked: Asked): void {
    const { ref } = subscription
    const carried = carriedBy(
      asked,
      starts.map(({ feed }) => feed),
    )
    const before = starts.map((start) => (start.gaps[0] === undefined ? startPosition(start) : start.gaps[0].before))
    // If its subjects have moved, the client has no other position until the gap is sent.
    const positions = [...before.filter((position) => position !== undefined), ...carried.positions]
    const told = announcedCounts(countsOf(this.#context.feeds, starts, asked), starts, positions)
    this.#owner.control({ kind: 'subscribed', ref, after: encodeSaid(positions, [...carried.counts, ...told]) })
    this.#keep(subscription, carried.positions, starts)
    subscription.joining = starts.length
    this.#holdings.release(subscription)
    for (const start of starts) {
      // The session ends if no more control frames can be queued for its socket.
      if (this.#owner.ended) return
      const { feed } = start
      const leg = this.#holdings.addLeg(subscription, feed)
      if (this.#tracks.open(start).enter(leg, start)) this.joined(leg)
    }
  }

  /**
   * Keeps positions in other partitions of its streams, because its subjects may move into them.
   * Positions in other streams were returned to the client.
   */
  #keep(subscription: Subscription, carried: readonly Position[], starts: readonly Start[]): void {
    const streams = new Set(starts.map(({ feed }) => feed.nameHash))
    this.#holdings.carry(
      subscription,
      carried.filter(({ nameHash }) => streams.has(nameHash)),
    )
  }

  /**
   * Keeps the position of a leg that leaves while it is ahead of this gateway's head. Its
   * subjects may come back before this gateway has read that far, and a start at the head would
   * then repeat events.
   */
  #keepAhead(leg: Leg): void {
    const { subscription, feed } = leg
    const stood = this.#tracks.get(feed)?.positionOf(leg)
    const isAhead = stood !== undefined && isSameLog(stood, feed) && stood.offset > feed.window.head
    if (isAhead) this.#holdings.carry(subscription, [stood])
  }

  /**
   * SSE and poll: begins all subjects. They share the main readers, which start at the token's
   * positions.
   */
  #beginAll(
    subscriptions: readonly Subscription[],
    readers: ReadonlyMap<PartitionFeed, readonly Subscription[]>,
    starts: Start[],
    asked: Asked,
  ): void {
    this.#holdings.release(subscriptions[0]!)
    this.#tracks.carried = carriedBy(
      asked,
      starts.map(({ feed }) => feed),
    )
    this.#owner.account.charge(legBytesOf(readers) + this.#tracks.carried.positions.length * sizes.position)
    for (const start of starts) this.#tracks.open(start)
    for (const count of countsOf(this.#context.feeds, starts, asked)) this.#tracks.counts?.begin(count)
    this.#entering = legsOf(readers)
    this.enter({ left: this.#context.limits.scanPerSlice, stoppedAt: 0 })
    if (this.entering) this.#owner.wake()
  }

  /**
   * SSE and poll: whether legs have yet to join their partitions' readers. No reader reads before
   * all have.
   */
  get entering(): boolean {
    return this.#entering !== undefined
  }

  /** Joins legs to their partitions' readers, as many as the budget allows. */
  enter(budget: ScanBudget): void {
    if (this.#entering === undefined) return
    for (; budget.left > 0; budget.left--) {
      const { value: leg } = this.#entering.next()
      if (leg === undefined) {
        this.#entering = undefined
        this.#owner.outlet.opened()
        this.#owner.wake()
        return
      }
      this.#tracks.get(leg.feed)!.join(leg)
    }
  }

  /**
   * Moves a subscription into a partition. A new partition is read from its beginning, one that
   * was there before from its head. If the client's token names the partition, because another
   * gateway knew of it earlier, reading starts at the token's position, as far as the log is
   * still the token's.
   */
  #moveInto(subscription: Subscription, feed: PartitionFeed, stood: Position | undefined): void {
    const { transport } = this.#owner.outlet
    const there = this.#tracks.get(feed)
    const carried = [...subscription.carried, ...this.#tracks.carried.positions]
    const count = this.#tracks.counts?.of(feed) ?? Number.POSITIVE_INFINITY
    const start = arrivingStart(feed, { carried, stood, count })
    // The client's earlier position there no longer matters.
    this.#holdings.drop(subscription, (position) => isSamePartition(position, feed))
    if (this.#owner.ended) return
    this.#owner.account.ensure(subscription.legBytes + sizes.track + sizes.reader)
    const leg = this.#holdings.addLeg(subscription, feed)
    const track = this.#tracks.open(start)
    const { main } = track
    if (transport === 'websocket') {
      subscription.joining++
      if (track.enter(leg, start)) this.joined(leg)
      return
    }
    track.join(leg)
    if (there === undefined) this.#owner.wake()
    // All share one position: the subscription continues at that of the others, who know what
    // happened to the log. One gap serves all that move in.
    else if (!main.endsWithMove) {
      const before = main.destination()
      main.addGap({ from: before.offset, to: undefined, reason: 'repartitioned', certain: false, before })
    }
  }

  #forget(subscription: Subscription): void {
    subscription.closed = true
    this.#byRef.delete(subscription.ref)
    this.#holdings.forget(subscription)
    if (subscription.legs.length === 0) this.#searches?.dropGone()
    for (const leg of [...subscription.legs]) this.#holdings.leave(leg)
    this.#owner.forgot()
  }
}

/** Throws if a request has both: a position already says where to start. */
function requireOne(last: number | undefined, after: readonly string[]): void {
  if (last === undefined || after.length === 0) return
  throw new CarillonError('bad_request', 'expected after or last, got both: a position says where to start already')
}

function* legsOf(readers: ReadonlyMap<PartitionFeed, readonly Subscription[]>): Generator<Leg, undefined> {
  for (const [feed, subscriptions] of readers) {
    for (const subscription of subscriptions) yield newLeg(subscription, feed)
  }
}
