import type { Clock } from '../base/clock.ts'
import { CarillonError, errors, toCarillonError } from '../base/errors.ts'
import type { Feeds } from '../fanout/feeds.ts'
import type { LiveRecord } from '../fanout/live-record.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import type { Loaded } from '../log/window.ts'
import type { EndReason, GatewayInstruments } from '../telemetry/instruments.ts'
import type { Logger } from '../telemetry/logger.ts'
import { BadFrame } from '../wire/bad-frame.ts'
import type { ClientFrame, ServerFrame, Subscribe, SubscribeOptions } from '../wire/frames.ts'
import { type After, encodeToken, growthPosition, type Position, parseAfter } from '../wire/token.ts'
import { FrameWriter } from './frame-writer.ts'
import type { OwedGap } from './gap.ts'
import { lastStarts } from './last.ts'
import { requireRoom, requireTokenRoom, type SessionLimits } from './limits.ts'
import { type Outlet, type Session, type WriteOutcome, writeOutcome } from './outlet.ts'
import type { Pump, Runnable } from './pump.ts'
import type { ReadBack } from './read-back.ts'
import type { Reader, ReaderOwner } from './reader.ts'
import { carriedPositions, type Growth, knownCount, resolveStarts, type Start, startPosition } from './start.ts'
import { type Leg, newSubscription, type Subscription } from './subscription.ts'
import { Tracks } from './tracks.ts'

/** What all sessions of a gateway share. */
export interface SessionContext {
  readonly feeds: Feeds
  readonly readBack: ReadBack
  readonly pump: Pump
  readonly ahead: { watch(reader: Reader): void }
  readonly limits: SessionLimits
  readonly instruments: GatewayInstruments
  readonly clock: Clock
  readonly logger: Logger
  /** Seed of the subject hash, the window's. */
  readonly seed: number
  readonly onEnded: (session: ClientSession, reason: EndReason) => void
}

/** It says as well how many partitions there are. */
const isOfGrowth = ({ reason }: OwedGap): boolean => reason === 'repartitioned' || reason === 'recreated'

/** What is said of a stream is said once, however many of its partitions are read. */
const aFeedOfEachStream = (starts: readonly Start[]): Iterable<PartitionFeed> =>
  new Map(starts.map(({ feed }) => [feed.stream, feed])).values()

const positionsIn = (after: After): readonly Position[] => (after.kind === 'positions' ? after.positions : [])

const isRepartitioned = ({ reason }: OwedGap): boolean => reason === 'repartitioned'

/**
 * One client's conversation, whichever transport: its subscriptions as readers at positions. Nothing is queued for it but
 * control frames; a full socket moves its readers from live to behind, a drained one lets them read on.
 */
export class ClientSession implements Session, ReaderOwner, Runnable {
  readonly id: number
  readonly outlet: Outlet
  queued = false
  readBackLeft: number
  readonly #context: SessionContext
  readonly #subscriptions = new Map<number, Subscription>()
  readonly #tracks: Tracks
  readonly #writer: FrameWriter
  #errorsInRow = 0
  #ended = false
  /** Counted as behind: the socket is full, or something is still catching up. */
  #behind = false
  /** SSE: told once that all is live. */
  #saidLive = false
  readonly #joined = (leg: Leg): void => this.#legJoined(leg.subscription)

  constructor(id: number, outlet: Outlet, context: SessionContext) {
    this.id = id
    this.outlet = outlet
    this.#context = context
    const { instruments, clock, limits, readBack } = context
    this.readBackLeft = readBack.maxBytesPerSession
    this.#tracks = new Tracks(this, readBack, outlet.transport === 'websocket')
    this.#writer = new FrameWriter(id, outlet, instruments, clock, limits.maxWaitingFrames, () => this.#fallBehind())
  }

  get nowMs(): number {
    return this.#context.clock.nowUs() / 1000
  }

  get writable(): boolean {
    return !this.#writer.full && !this.#ended
  }

  // Session: what the transport calls

  receive(frame: ClientFrame): void {
    if (this.#ended) return
    const ref = frame.kind === 'ping' ? 0 : frame.ref
    this.#context.instruments.framesIn[frame.kind]++
    try {
      switch (frame.kind) {
        case 'subscribe':
          this.#subscribe(frame)
          break
        case 'unsubscribe':
          this.#unsubscribe(frame.ref)
          break
        case 'ping':
          this.#control({ kind: 'pong', t: frame.t, nowUs: this.#context.clock.nowUs(), after: this.token() })
          break
      }
      this.#errorsInRow = 0
    } catch (error) {
      this.#refuse(ref, this.#known(error))
    }
  }

  refuse(error: CarillonError): void {
    if (!this.#ended) this.#refuse(error instanceof BadFrame ? error.ref : 0, error)
  }

  start(subjects: readonly string[], after: readonly string[], { last, policy }: SubscribeOptions = {}): void {
    const { feeds, limits, seed } = this.#context
    const distinct = [...new Set(subjects)]
    if (distinct.length === 0) {
      throw new CarillonError('bad_request', 'expected at least one `subject` parameter, got none')
    }
    requireRoom(limits, this.#subscriptions.size, distinct.length)
    const subscriptions = distinct.map((subject) => newSubscription(0, subject, seed, policy))
    let spans: PartitionFeed[][] = []
    const wanted = () => {
      spans = subscriptions.map(({ subject }) => feeds.partitionsFor(subject))
      const all = [...new Set(spans.flat())]
      requireTokenRoom(limits, all.length)
      return all
    }
    const parsed = parseAfter(after)
    const begin = (starts: Start[]) => this.#begin(subscriptions, spans, starts, parsed)
    const all = wanted()
    if (last === undefined) this.#resolve(parsed, all, subscriptions, wanted, begin)
    else begin(lastStarts(all, subscriptions, last, after))
  }

  drained(): void {
    if (this.#ended) return
    if (this.#writer.drained()) this.wake()
  }

  token(brief = false): string {
    return this.#tracks.token(brief)
  }

  closed(reason: EndReason = 'lost'): void {
    this.#cleanUp(reason)
  }

  /** Ends it from the gateway's side. */
  end(error: CarillonError | undefined): void {
    if (this.#ended) return
    this.#cleanUp(error?.code ?? 'answered')
    this.outlet.end(error)
  }

  // ReaderOwner: what the readers call

  deliverLive(reader: Reader, record: LiveRecord): void {
    const outcome = this.#writer.live(reader.feed, record)
    // All readers stopped at their heads, behind this record; it is not given yet where it was refused.
    if (outcome === writeOutcome.refused) reader.next = record.offset
  }

  deliverMissed(reader: Reader, record: Loaded): WriteOutcome {
    return this.#writer.missed(reader.feed, record, reader.refs)
  }

  tellGap(reader: Reader, gap: OwedGap): boolean {
    const { feed, next, refs } = reader
    const count = isOfGrowth(gap) ? this.#context.feeds.countOf(feed) : undefined
    return this.#writer.gap(feed, gap, next, gap.refs ?? refs, count) !== writeOutcome.refused
  }

  wake(): void {
    if (this.#ended) return
    this.#countBehind(true)
    this.#context.pump.add(this)
  }

  watchAhead(reader: Reader): void {
    this.#context.ahead.watch(reader)
  }

  // Runnable: one slice of catching up

  run(): boolean {
    if (!this.writable) return false
    let more = false
    const { lookPerSlice } = this.#context.limits
    const look = { left: lookPerSlice, stoppedAt: 0 }
    this.outlet.batch(() => {
      more = this.#tracks.read(look, this.#joined)
    })
    this.#context.instruments.looked += lookPerSlice - look.left
    if (this.writable && this.#tracks.allLive) this.#caughtUp()
    return more
  }

  // Subscriptions

  #subscribe({ ref, subject, after, last, policy }: Subscribe): void {
    if (ref === 0 || this.#subscriptions.has(ref)) {
      const why = ref === 0 ? 'ref must be a whole number above 0' : `ref ${ref} is in use`
      throw new CarillonError('bad_ref', `${why}: choose another, or unsubscribe it first`)
    }
    requireRoom(this.#context.limits, this.#subscriptions.size, 1)
    const subscription = newSubscription(ref, subject, this.#context.seed, policy)
    const wanted = () => this.#context.feeds.partitionsFor(subject)
    const feeds = wanted()
    const parsed = parseAfter(after)
    const newest = last === undefined ? undefined : lastStarts(feeds, [subscription], last, after)
    this.#subscriptions.set(ref, subscription)
    this.#context.instruments.subscriptions++
    const begin = (starts: Start[]) => this.#beginRef(subscription, starts, parsed)
    if (newest === undefined) this.#resolve(parsed, feeds, [subscription], wanted, begin)
    else begin(newest)
  }

  /**
   * `then` runs at once where the broker need not be asked, and never for a subscription or session that is gone. Where `wanted` are
   * other partitions than `feeds` by the time of the answer, the broker is asked anew.
   */
  #resolve(
    after: After,
    feeds: PartitionFeed[],
    subscriptions: readonly Subscription[],
    wanted: () => PartitionFeed[],
    then: (starts: Start[]) => void,
  ): void {
    const starts = resolveStarts(after, feeds, this.#growth(subscriptions), this.#context.feeds)
    if (Array.isArray(starts)) {
      then(starts)
      return
    }
    const gone = () => this.#ended || subscriptions.every(({ closed }) => closed)
    starts
      .then((resolved) => {
        if (gone()) return
        const now = wanted()
        if (now.length === feeds.length && now.every((feed, i) => feed === feeds[i])) then(resolved)
        else this.#resolve(after, now, subscriptions, wanted, then)
      })
      .catch((error: unknown) => {
        if (!gone()) this.#startFailed(this.#known(error), subscriptions[0]!)
      })
  }

  #growth(subscriptions: readonly Subscription[]): Growth {
    const { feeds } = this.#context
    return {
      own: subscriptions.length === 1 && subscriptions[0]!.pattern,
      count: (feed) => feeds.countOf(feed),
      moved: (feed, count) =>
        subscriptions.some(({ subject }) => {
          return feeds.couldBeIn(feed, subject, feeds.countOf(feed)) && !feeds.couldBeIn(feed, subject, count)
        }),
    }
  }

  #startFailed(error: CarillonError, subscription: Subscription): void {
    if (subscription.ref === 0) this.end(error)
    else {
      this.#forget(subscription)
      this.#refuse(subscription.ref, error)
    }
  }

  /** WebSocket: each ref from its own start, told `live` when it is. */
  #beginRef(subscription: Subscription, starts: Start[], after: After): void {
    const { ref } = subscription
    subscription.carried = carriedPositions(
      after,
      starts.map(({ feed }) => feed),
    )
    const before = starts.map((start) => (start.gaps[0] === undefined ? startPosition(start) : start.gaps[0].before))
    // Where its subjects are elsewhere now, the client has nothing else to stand at until the gap is told.
    const known = before.filter((position) => position !== undefined)
    const growth = this.#toldGrowth(starts, after)
    this.#control({ kind: 'subscribed', ref, after: encodeToken([...known, ...subscription.carried, ...growth]) })
    subscription.joining = starts.length
    for (const start of starts) {
      // A socket that takes no more answers ends the session.
      if (this.#ended) return
      const { feed } = start
      const leg: Leg = { subscription, feed, membership: undefined }
      subscription.legs.push(leg)
      if (this.#tracks.open(feed, feed.window.head).enter(leg, start)) this.#legJoined(subscription)
    }
  }

  /** How many partitions the client knows of: as many as there are, unless it is still to be told of some. */
  #toldGrowth(starts: readonly Start[], after: After): Position[] {
    const owed = new Set(starts.filter(({ gaps }) => gaps.some(isRepartitioned)).map(({ feed }) => feed.stream))
    const growth = new Map<number, Position>()
    for (const feed of aFeedOfEachStream(starts)) {
      const known = knownCount(feed, positionsIn(after))
      const count = owed.has(feed.stream) ? known : Math.max(known ?? 0, this.#context.feeds.countOf(feed))
      if (count !== undefined) growth.set(feed.streamHash, growthPosition(feed.streamHash, count))
    }
    return [...growth.values()]
  }

  /** SSE and poll: all subjects share the main readers, which start where the token says. */
  #begin(subscriptions: Subscription[], spans: PartitionFeed[][], starts: Start[], after: After): void {
    const carried = carriedPositions(
      after,
      starts.map(({ feed }) => feed),
    )
    this.#tracks.carried = carried
    for (const subscription of subscriptions) subscription.carried = carried
    for (const { feed, offset, gaps, only, generation = -1 } of starts) {
      const { main } = this.#tracks.open(feed, offset)
      main.only = only
      main.generation = generation
      for (const gap of gaps) main.owe(gap)
    }
    for (const feed of aFeedOfEachStream(starts)) {
      this.#tracks.counts(feed, this.#context.feeds.countOf(feed), knownCount(feed, positionsIn(after)))
    }
    subscriptions.forEach((subscription, i) => {
      this.#subscriptions.set(i + 1, subscription)
      for (const feed of spans[i]!) {
        const leg: Leg = { subscription, feed, membership: undefined }
        subscription.legs.push(leg)
        this.#tracks.get(feed)!.join(leg)
      }
    })
    this.#context.instruments.subscriptions += subscriptions.length
    this.outlet.opened()
    this.wake()
  }

  /** A stream has more partitions than before: each subscription goes on where its events are now, and is told. */
  replace(): void {
    if (this.#ended) return
    for (const subscription of this.#subscriptions.values()) {
      // It has not begun: the broker is being asked where, and its partitions are looked up again then.
      if (subscription.legs.length === 0) continue
      const now = this.#context.feeds.partitionsFor(subscription.subject)
      const gone = subscription.legs.filter((leg) => !now.includes(leg.feed))
      const fresh = now.filter((feed) => !subscription.legs.some((leg) => leg.feed === feed))
      for (const feed of fresh) this.#moveInto(subscription, feed, feed.window.head)
      for (const leg of gone) {
        const joining = leg.membership === undefined
        this.#tracks.leave(leg, this.outlet.transport !== 'websocket')
        // It may have been the last that was on its way.
        if (joining) this.#legJoined(subscription)
      }
    }
    for (const feed of this.#tracks.feeds()) this.#tracks.grew(feed, this.#context.feeds.countOf(feed))
    this.outlet.batch(() => this.#tracks.tellOwed())
  }

  /**
   * A new partition is read from its beginning, one that was there before from its head; where the client's token named it, as
   * another gateway knew of it before, from there.
   */
  #moveInto(subscription: Subscription, feed: PartitionFeed, from: number): void {
    const before = this.#tracks.get(feed)?.main.position()
    const known = subscription.carried.find(
      ({ streamHash, partition }) => streamHash === feed.streamHash && partition === feed.partition,
    )
    const head = known?.offset ?? from
    // Once it has been there, where it stood before says nothing more.
    subscription.carried = subscription.carried.filter((position) => position !== known)
    if (this.#ended) return
    const gap: OwedGap = { from: head, to: undefined, reason: 'repartitioned', certain: false, before: before ?? known }
    const leg: Leg = { subscription, feed, membership: undefined }
    subscription.legs.push(leg)
    const track = this.#tracks.open(feed, head)
    if (this.outlet.transport === 'websocket') {
      subscription.joining++
      if (track.enter(leg, { offset: head, gaps: [gap] })) this.#legJoined(subscription)
    } else {
      track.join(leg)
      track.main.owe(gap)
    }
  }

  #legJoined(subscription: Subscription): void {
    if (--subscription.joining > 0) return
    subscription.toldLive = true
    this.#control({ kind: 'live', ref: subscription.ref })
  }

  #caughtUp(): void {
    this.#countBehind(false)
    const { outlet } = this
    if (this.#saidLive || outlet.transport === 'websocket' || this.#tracks.size === 0) return
    this.#saidLive = true
    if (outlet.transport === 'sse') this.#control({ kind: 'live', ref: 0 })
    outlet.caughtUp()
  }

  #countBehind(behind: boolean): void {
    if (behind === this.#behind) return
    this.#behind = behind
    this.#context.instruments.behind += behind ? 1 : -1
  }

  #unsubscribe(ref: number): void {
    const subscription = this.#subscriptions.get(ref)
    if (subscription === undefined)
      throw new CarillonError('bad_ref', `ref ${ref} is not a subscription of this session`)
    this.#forget(subscription)
    this.#control({ kind: 'unsubscribed', ref })
  }

  #forget(subscription: Subscription): void {
    subscription.closed = true
    this.#subscriptions.delete(subscription.ref)
    this.#context.instruments.subscriptions--
    for (const leg of [...subscription.legs]) this.#tracks.leave(leg)
    // It may have been the last that was behind.
    if (this.#behind) this.wake()
  }

  // Frames out

  #control(frame: ServerFrame): void {
    if (this.#ended || this.#writer.control(frame)) return
    this.end(
      new CarillonError('overloaded', 'too many answers wait for this socket: the client asks for more than it reads'),
    )
  }

  /** The socket is full: every live reader stops at its head. */
  #fallBehind(): void {
    this.#countBehind(true)
    this.#tracks.fallBehind()
  }

  #refuse(ref: number, error: CarillonError): void {
    const { code, message, retryAfterMs } = error
    this.#context.instruments.errors[code]++
    if (errors[code].close !== 0) {
      this.end(error)
      return
    }
    this.#control({ kind: 'error', ref, code, message, retryAfterMs })
    if (++this.#errorsInRow < this.#context.limits.maxErrors) return
    this.end(new CarillonError('too_many_errors', `${this.#errorsInRow} frames in a row were refused`))
  }

  #known(error: unknown): CarillonError {
    const known = toCarillonError(error)
    if (known.code === 'internal') this.#context.logger.log('error', `session ${this.id}: ${String(error)}`, { error })
    return known
  }

  #cleanUp(reason: EndReason): void {
    if (this.#ended) return
    this.#ended = true
    this.#countBehind(false)
    this.#context.instruments.subscriptions -= this.#subscriptions.size
    for (const subscription of this.#subscriptions.values()) subscription.closed = true
    this.#tracks.close()
    this.#subscriptions.clear()
    this.#context.onEnded(this, reason)
  }
}
