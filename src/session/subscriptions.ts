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

/** Those that begin together, and what they need for it in these partitions. */
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

/** What the session does for its subscriptions. */
export interface SubscriptionsOwner extends SearchOwner {
  readonly outlet: Outlet
  readonly grant: Grant
  readonly ended: boolean
  control(frame: ServerFrame): void
  /** There is something to read for them. */
  wake(): void
  /** One is gone that may have been the last on its way. */
  forgot(): void
  /** Nobody can say where it is to be read: an error of the ref's, or the end where it is 0. */
  startFailed(ref: number, error: unknown): void
}

/**
 * A session's subscriptions: where each begins, by `after` or `last`, and where it goes on when its stream has more partitions. Over
 * WebSocket each has a ref and a start of its own; over SSE and long-poll all share one position.
 */
export class Subscriptions implements LegOwner {
  readonly #owner: SubscriptionsOwner
  readonly #context: SubscriptionsContext
  readonly #tracks: Tracks
  readonly #holdings: SubscriptionCost
  readonly #byRef = new SmallMap<number, Subscription>()
  /** SSE and poll: those that have not joined yet. */
  #entering: Iterator<Leg, undefined> | undefined
  /** While some of them ask for last events and have not begun. */
  #searches: LastSearches | undefined
  /** There was one. */
  begun = false

  constructor(owner: SubscriptionsOwner, context: SubscriptionsContext, tracks: Tracks) {
    this.#owner = owner
    this.#context = context
    this.#tracks = tracks
    this.#holdings = new SubscriptionCost(owner.account, tracks, context)
  }

  /** WebSocket: one more. Throws what is wrong with the request. */
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

  /** SSE and poll: all there will be. Throws what is wrong with the request. */
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

  /** WebSocket. */
  remove(ref: number): void {
    const subscription = this.#byRef.get(ref)
    if (subscription === undefined) {
      throw new CarillonError('bad_ref', `ref ${ref} is not a subscription of this session`)
    }
    this.#forget(subscription)
    this.#owner.control({ kind: 'unsubscribed', ref })
  }

  /** A stream has another number of partitions than before: each subscription goes on where its events are now, and is told. */
  replace(): void {
    const { feeds } = this.#context
    this.enter({ left: Number.POSITIVE_INFINITY, stoppedAt: 0 })
    for (const subscription of this.#byRef.values()) {
      // It has not begun: the broker is being asked where, and its partitions are looked up again then.
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
    // Of a log that was created again it hears where it is now: its readers in the old places are about to go, and what they owe it.
    const [left] = gone
    const stood = left && this.#tracks.get(left.feed)?.positionOf(left)
    for (const feed of fresh) this.#moveInto(subscription, feed, stood)
    for (const leg of gone) {
      const joining = leg.membership === undefined
      const isSeparate = this.#owner.outlet.transport === 'websocket'
      if (isSeparate) this.#keepAhead(leg)
      this.#holdings.leave(leg, isSeparate ? 'forgotten' : 'carried')
      // It may have been the last that was on its way.
      if (joining) this.joined(leg)
    }
  }

  /** It has no place in any partition, or the broker could not say where it begins. */
  #fail(subscription: Subscription, error: unknown): void {
    const { ref } = subscription
    if (ref !== 0) this.#forget(subscription)
    this.#owner.startFailed(ref, error)
  }

  /** Somebody's last events are being looked for. */
  get searching(): boolean {
    return this.#searches?.pending === true
  }

  /** One slice of looking for last events. True when there is more to do at once. */
  search(budget: ScanBudget): boolean {
    const more = this.#searches?.run(budget) === true
    if (!this.searching) this.#searches = undefined
    return more
  }

  /** The session is over. */
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

  /** Where they begin, by `after` unless they want last events. Their partitions may be others each time. */
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

  /** Throws `overloaded` once there is no room for their legs, of which there may be a thousand in each partition, before they are made. */
  #ensureLegs(subscriptions: readonly Subscription[]): void {
    let bytes = 0
    for (const { subject, legBytes } of subscriptions) {
      bytes += this.#context.feeds.partitionsFor(subject).length * legBytes
      this.#owner.account.ensure(bytes)
    }
  }

  /** Who of them reads which partition. */
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

  /** WebSocket: each ref from its own start, told `live` when it is. */
  #begin(subscription: Subscription, starts: Start[], asked: Asked): void {
    const { ref } = subscription
    const carried = carriedBy(
      asked,
      starts.map(({ feed }) => feed),
    )
    const before = starts.map((start) => (start.gaps[0] === undefined ? startPosition(start) : start.gaps[0].before))
    // Where its subjects are elsewhere now, the client has nothing else to stand at until the gap is told.
    const positions = [...before.filter((position) => position !== undefined), ...carried.positions]
    const told = announcedCounts(countsOf(this.#context.feeds, starts, asked), starts, positions)
    this.#owner.control({ kind: 'subscribed', ref, after: encodeSaid(positions, [...carried.counts, ...told]) })
    this.#keep(subscription, carried.positions, starts)
    subscription.joining = starts.length
    this.#holdings.release(subscription)
    for (const start of starts) {
      // A socket that takes no more answers ends the session.
      if (this.#owner.ended) return
      const { feed } = start
      const leg = this.#holdings.addLeg(subscription, feed)
      if (this.#tracks.open(start).enter(leg, start)) this.joined(leg)
    }
  }

  /** Its subjects may come into other partitions of their streams; positions in other streams have been handed back. */
  #keep(subscription: Subscription, carried: readonly Position[], starts: readonly Start[]): void {
    const streams = new Set(starts.map(({ feed }) => feed.nameHash))
    this.#holdings.carry(
      subscription,
      carried.filter(({ nameHash }) => streams.has(nameHash)),
    )
  }

  /** Its subjects may come back before this gateway has read so far: at the head they would be given again what their client has. */
  #keepAhead(leg: Leg): void {
    const { subscription, feed } = leg
    const stood = this.#tracks.get(feed)?.positionOf(leg)
    const isAhead = stood !== undefined && isSameLog(stood, feed) && stood.offset > feed.window.head
    if (isAhead) this.#holdings.carry(subscription, [stood])
  }

  /** SSE and poll: all subjects share the main readers, which start where the token says. */
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

  /** SSE and poll: not all have joined their partitions' readers, which do not read before. */
  get entering(): boolean {
    return this.#entering !== undefined
  }

  /** As many of them join as may be looked at. */
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
   * A new partition is read from its beginning, one that was there before from its head; where the client's token named it, as
   * another gateway knew of it before, from there: as far as its log is the one that the token was of.
   */
  #moveInto(subscription: Subscription, feed: PartitionFeed, stood: Position | undefined): void {
    const { transport } = this.#owner.outlet
    const there = this.#tracks.get(feed)
    const carried = [...subscription.carried, ...this.#tracks.carried.positions]
    const count = this.#tracks.counts?.of(feed) ?? Number.POSITIVE_INFINITY
    const start = arrivingStart(feed, { carried, stood, count })
    // Once it has been there, where it stood before says nothing more.
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
    // One position is for all: it goes on where the others stand, who have been told what became of the log. One gap is for all who come.
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

/** A position says where to start already. */
function requireOne(last: number | undefined, after: readonly string[]): void {
  if (last === undefined || after.length === 0) return
  throw new CarillonError('bad_request', 'expected after or last, got both: a position says where to start already')
}

function* legsOf(readers: ReadonlyMap<PartitionFeed, readonly Subscription[]>): Generator<Leg, undefined> {
  for (const [feed, subscriptions] of readers) {
    for (const subscription of subscriptions) yield newLeg(subscription, feed)
  }
}
