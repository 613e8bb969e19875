import { isPattern, matches } from '../subject/subject.ts'
import { type Delivery, type Gap, type GapReason, type SubscribeOptions, subscribeOptions } from '../wire/frames.ts'
import {
  decodeToken,
  encodeToken,
  hashOf,
  isGrowth,
  isRead,
  isSameLog,
  isSamePartition,
  keyOf,
  type Log,
  type Position,
  parseAfter,
  partitionKeyOf,
} from '../wire/token.ts'
import { Ahead } from './ahead.ts'
import type { Refusal, Wish } from './connection.ts'
import { contradict, type Move, Place } from './place.ts'
import type { State } from './state.ts'

/** Whom a subscription's events go to, each synchronously and in order. None of them may throw. */
export interface Inflow {
  /** False: it wants no more for now; this one it has taken. */
  event(delivery: Delivery, move: Move | undefined): boolean
  gap(gap: Gap, move: Move | undefined): boolean
  /** It stands elsewhere, with nothing to tell. */
  moved(move: Move): void
  /** Everything missed has been told. */
  live(): void
  state(state: State): void
  /** It can't be served, ever. */
  refused(refused: Refusal): void
}

/** Gaps behind which everything is new, wherever they end. */
const leadsBack: ReadonlySet<GapReason> = new Set(['rewritten', 'recreated', 'repartitioned'])

/** Gaps that may tell of a partition in which one stands from now on. */
const opens: ReadonlySet<GapReason> = new Set(['repartitioned', 'unnamed'])

/** As `partitionKeyOf`, by the stream's name. */
const namedKeyOf = ({ stream, partition }: Pick<Gap, 'stream' | 'partition'>): string =>
  partitionKeyOf({ nameHash: hashOf(stream), partition })

/** Events that wait for `live`, in number: beyond that the gateway is asked again for all of them. */
const maxHeld = 256

/**
 * One subscription as its connections know it: where it stands, what of that which comes is new to it, and whether it is live on the
 * present connection. The place moves as events are received, ahead of the subscriber's own, which moves as they are handled.
 */
export class Followed {
  readonly subject: string
  readonly inflow: Inflow
  readonly place = new Place()
  /** Under which it is served by the present connection; 0 = it is not. */
  ref = 0
  live = false
  /** Its place names all of its partitions: a gateway has said where it stands, or a token did. */
  placed = false
  /** Over SSE or poll, a request for several was refused: this one is to be asked for alone, or was, and is well. */
  alone: 'unneeded' | 'wanted' | 'well' = 'unneeded'
  /** The turn in which a gateway last told it everything; -1 = one may have more to say. */
  judged = -1
  readonly policy: SubscribeOptions['policy']
  readonly #start: readonly string[]
  readonly #last: number | undefined
  /** The last events only are being told, until it is live. */
  #givenLast = false
  /** How many partitions it knows of once it is live: all that they mean for it has been told then. */
  #growth: Position | undefined
  /** It has asked for its start, and is not live yet: whatever positions it is told on this connection are its own. */
  #starting = false
  /** Events that name no ref, from before it was told to be live: only then it is clear whether they were for it. */
  #held: (Delivery | Gap)[] = []
  #heldTooMuch = false
  /** Of each stream, by `nameHash`, the log that its gateway reads, as it was said last. */
  readonly #logs = new Map<number, Log>()
  /**
   * SSE says positions less often than events: what came until then, by `keyOf` where the stream is known by its position, else by
   * `partitionKeyOf`.
   */
  readonly #ahead = new Map<string, Ahead>()

  /** `after` as the protocol takes it; `last` counts only where it holds no token. Throws `bad_token`. */
  constructor(subject: string, after: readonly string[], inflow: Inflow, { last, policy }: SubscribeOptions = {}) {
    this.subject = subject
    this.inflow = inflow
    this.policy = policy
    this.#start = after
    this.#last = last
    const parsed = parseAfter(after)
    if (parsed.kind !== 'positions') return
    this.placed = true
    this.place.move({ how: 'all', positions: parsed.positions })
  }

  /** What to ask a gateway for. */
  wish(ref: number): Wish {
    const { token } = this.place
    const last = token === undefined ? this.#last : undefined
    if (ref > 0) {
      this.#givenLast = last !== undefined
      this.#starting = !this.placed
    }
    const after = token === undefined ? this.#start : [token]
    return { ref, subject: this.subject, after, ...subscribeOptions(last, this.policy) }
  }

  /** Another connection, or none. */
  disconnected(): void {
    this.ref = 0
    this.live = false
    this.#givenLast = false
    this.#starting = false
    this.#growth = undefined
    this.#held = []
    this.#heldTooMuch = false
  }

  // A connection on which it has a position of its own

  /** The gateway says from where it is served. */
  subscribed(after: string): void {
    this.#move({ how: 'all', positions: decodeToken(after) })
    this.placed = true
  }

  /** A delivery that names it. False as `Inflow.event`. */
  named(delivery: Delivery, position: Position): boolean {
    const room = this.#release(position, delivery.offset)
    return this.take(delivery, position) && room
  }

  /** A delivery that is for it. */
  take(delivery: Delivery, position: Position): boolean {
    const { offset, event } = delivery
    if (offset < (this.place.at(position)?.offset ?? 0)) return true
    if (this.#aheadAt(position)?.has(offset, event)) return true
    const move: Move = { how: 'on', positions: [position] }
    this.place.move(move)
    return this.inflow.event(delivery, move)
  }

  /** A delivery to every subscription that is live in its partition and matches. */
  common(delivery: Delivery, position: Position): boolean {
    const matching = matches(this.subject, delivery.event.subject)
    // In a partition that it was not told of, it is behind until it is: its subjects have just moved there.
    if (!this.live || this.place.at(position) === undefined) {
      if (matching) this.#hold(delivery)
      return true
    }
    if (matching) return this.take(delivery, position)
    // One reader serves all that are live: it has passed this one's events before that as well.
    this.#move({ how: 'on', positions: [position] })
    return true
  }

  /** The gateway says where what is live stands: what is quiet stays near the head. */
  renewed(positions: readonly Position[]): void {
    if (!this.live) return
    const ahead = positions.filter(
      (position) => (this.place.at(position)?.offset ?? Number.POSITIVE_INFINITY) < position.offset,
    )
    if (ahead.length > 0) this.#move({ how: 'on', positions: ahead })
  }

  gapNamed(gap: Gap): boolean {
    const [position] = positionsOf(gap)
    const room = position === undefined || leadsBack.has(gap.reason) || this.#release(position, gap.from)
    if (position !== undefined) this.#forgetHeld(gap, position)
    // It joins in another partition now, and is told to be live there as at the start.
    if (gap.reason === 'repartitioned') this.live = false
    const more = leadsBack.has(gap.reason) ? this.#gap(gap) : this.#gapIfNews(gap)
    const growth = growthOf(gap)
    // A subject has one partition: there is no other of which it could still be told.
    if (growth !== undefined && (this.live || !isPattern(this.subject))) this.#move({ how: 'on', positions: [growth] })
    else if (growth !== undefined) this.#growth = growth
    return more && room
  }

  gapCommon(gap: Gap): boolean {
    if (this.live && this.#standsIn(gap)) return this.#gap(gap)
    this.#hold(gap)
    return true
  }

  /** What it missed has been told. `again`: not all could be kept meanwhile, it is to be asked for anew. */
  becameLive(): 'live' | 'full' | 'again' {
    const held = this.#held
    const again = this.#heldTooMuch
    this.#held = []
    this.#heldTooMuch = false
    if (again) return 'again'
    this.live = true
    this.#givenLast = false
    this.#starting = false
    const room = this.#takeAll(held)
    if (this.#growth !== undefined) this.#move({ how: 'on', positions: [this.#growth] })
    this.#growth = undefined
    this.inflow.live()
    return room ? 'live' : 'full'
  }

  // A connection on which all share one position

  shared(delivery: Delivery): boolean {
    if (!matches(this.subject, delivery.event.subject)) return true
    const { stream, partition, offset, event } = delivery
    if (stream === undefined) return this.take(delivery, decodeToken(delivery.after)[0]!)
    const own = this.place.named(stream, partition)
    const byName = namedKeyOf({ stream, partition })
    const key = own === undefined ? byName : keyOf(own)
    // What came before it had a place there counts from then on as well.
    const ahead = this.#ahead.get(key) ?? this.#ahead.get(byName) ?? new Ahead()
    if (offset < (own?.offset ?? 0) || ahead.has(offset, event)) return true
    // Where its place names several incarnations it is not said in which it came.
    if (own === undefined && [...this.#ahead.values()].some((each) => each.remembers(offset, event))) return true
    if (own !== undefined) this.#ahead.delete(byName)
    this.#ahead.set(key, ahead)
    ahead.took(offset, event)
    // What lies between the last events was not asked for, and is not new when the next connection brings it.
    if (this.#givenLast) ahead.passed(offset + 1)
    return this.inflow.event(delivery, undefined)
  }

  gapShared(gap: Gap): boolean {
    const hasGrown = this.#hasGrown(gap)
    if (gap.reason === 'repartitioned' && hasGrown !== undefined) {
      if (!hasGrown) return true
      // Where it stands in that partition already it may have come there just now: a position may be another's.
      const isBelow = positionsOf(gap).some((after) => (this.place.at(after)?.offset ?? -1) < after.offset)
      return isBelow ? this.#gap(gap) : this.inflow.gap(gap, undefined)
    }
    const places = this.place.positions.filter(({ nameHash }) => nameHash === hashOf(gap.stream)).length
    // With another number of partitions its subjects may be in any of them, and so where its place does not say how many there were.
    const mayBeHere = opens.has(gap.reason) || (gap.reason === 'recreated' && (hasGrown ?? places > 0))
    if (this.#starting || mayBeHere || this.#standsIn(gap)) return this.#gapIfNews(gap)
    // Its place may not name where its subject is now; that is no place of its own all the same.
    // A subject has one partition: with places in several of the stream it has moved, to a new one or to one of before.
    const isMoved = places > 1 && !isPattern(this.subject)
    const isTold = isMoved || hasGrown === true || this.#ahead.has(namedKeyOf(gap))
    if (gap.reason === 'recreated') this.#ahead.delete(namedKeyOf(gap))
    return isTold ? this.inflow.gap(gap, undefined) : true
  }

  /**
   * All stand there, or further on. A position in a partition that it did not know is its own when it is `alone`, or starting:
   * otherwise it is another one's, unless events came from there. True where it stands there or further on in another history: it has
   * not been told of that, and stays.
   */
  together(positions: readonly Position[], alone: boolean): boolean {
    const torn = positions.filter((position) => {
      const own = this.place.at(position)
      return own !== undefined && own.offset >= position.offset && contradict(own, position)
    })
    const isOwn = (position: Position) =>
      alone ||
      this.#starting ||
      isGrowth(position) ||
      this.place.at(position) !== undefined ||
      this.#ahead.has(partitionKeyOf(position))
    const own = positions.filter((position) => isOwn(position) && !torn.includes(position))
    for (const position of own) this.#ahead.get(keyOf(position))?.passed(position.offset)
    this.placed ||= own.length + this.place.size > 0
    this.#move({ how: 'on', positions: own })
    const logs = positions.filter(isRead)
    // Another log than the one of which it was told everything: nobody hears of a log in which others stand already.
    const isOther = logs.some((log) => !isSameLog(this.#logs.get(log.nameHash) ?? log, log))
    for (const log of logs) this.#logs.set(log.nameHash, log)
    if (isOther) this.judged = -1
    return isOther || torn.length > 0
  }

  #move(move: Move): void {
    this.place.move(move)
    this.inflow.moved(move)
  }

  /** In one partition, what names no ref is for those that are live; in several, it may be live in some and behind in others. */
  #hold(frame: Delivery | Gap): void {
    if (this.place.size <= 1 || this.#heldTooMuch) return
    this.#held.push(frame)
    if (this.#held.length <= maxHeld) return
    this.#heldTooMuch = true
    this.#held = []
  }

  /**
   * It is told by name what comes at `offset`, so its reader stands there. What is held from below and still new was for it, and must
   * not come later; so was a gap that led back there. The rest is another reader's: its own brings what is left of that.
   */
  #release(position: Position, offset: number): boolean {
    if (this.#held.length === 0) return true
    const isThere = ({ after }: Delivery | Gap) => decodeToken(after).some((each) => keyOf(each) === keyOf(position))
    const released = this.#held.filter((frame) => isThere(frame) && (firstOf(frame) < offset || isBack(frame)))
    this.#held = this.#held.filter((frame) => !isThere(frame))
    return this.#takeAll(released.map((frame) => (frame.kind === 'gap' ? endingBy(frame, offset) : frame)))
  }

  /** What is held of a log that is gone is of no use: what took its place is told by name. */
  #forgetHeld({ reason, from }: Gap, position: Position): void {
    if (reason !== 'recreated' && reason !== 'rewritten') return
    this.#held = this.#held.filter((frame) => {
      const held = decodeToken(frame.after).find((each) => isSamePartition(each, position))
      return held === undefined || (isSameLog(held, position) && (reason === 'recreated' || firstOf(frame) < from))
    })
  }

  #takeAll(frames: readonly (Delivery | Gap)[]): boolean {
    let room = true
    for (const frame of frames) {
      if (frame.kind === 'gap') room = this.#gapIfNews(frame) && room
      else room = this.take(frame, decodeToken(frame.after)[0]!) && room
    }
    return room
  }

  #gap(gap: Gap): boolean {
    const positions = positionsOf(gap)
    // What follows a gap that may lead back is new, whatever its offset; but where another tab says so, nothing moves by `repartitioned`.
    if ((gap.after || gap.reason !== 'repartitioned') && (gap.to === undefined || leadsBack.has(gap.reason))) {
      const own = namedKeyOf(gap)
      for (const key of this.#ahead.keys()) if (key.startsWith(own)) this.#ahead.delete(key)
    }
    const move: Move = { how: 'to', positions }
    this.place.move(move)
    return this.inflow.gap(gap, move)
  }

  /** A position in a partition that it does not read would pass for its own once its subjects move there. */
  #standsIn(gap: Gap): boolean {
    if (gap.after === '') return true
    const { positions } = this.place
    return positionsOf(gap).some((after) => positions.some((own) => isSamePartition(own, after)))
  }

  /**
   * Whether the stream has another number of partitions than it knows of; undefined where one of both does not say, and where it stands in
   * that partition of another log: what it knows of the old one, offsets and counts, speaks against no gap of the new one.
   */
  #hasGrown(gap: Gap): boolean | undefined {
    const now = growthOf(gap)
    if (now === undefined || (this.#standsIn(gap) && !positionsOf(gap).some((after) => this.place.at(after))))
      return undefined
    // Of incarnations that it stood in one after the other it may know several.
    const known = this.place.growth.filter(({ nameHash }) => nameHash === now.nameHash)
    if (known.length === 0) return undefined
    const same = known.find((own) => isSameLog(own, now))
    return same ? same.offset < now.offset : known.some((own) => own.offset !== now.offset)
  }

  #aheadAt(position: Position): Ahead | undefined {
    if (this.#ahead.size === 0) return undefined
    return this.#ahead.get(keyOf(position)) ?? this.#ahead.get(partitionKeyOf(position))
  }

  /** The next new offset there: over SSE events are ahead of their positions. */
  #known(gap: Gap, position: Position): number | undefined {
    const own = this.place.at(position)?.offset
    // What came of another log, or of this one before that, says nothing of what is behind the gap.
    if (own === undefined) {
      return gap.reason === 'recreated' || this.#standsIn(gap) ? undefined : this.#aheadAt(position)?.next
    }
    return Math.max(own, this.#ahead.get(keyOf(position))?.next ?? 0)
  }

  /**
   * A gap of a reader that may have been behind this subscription, or is not its reader yet. What it passes may have come before over SSE;
   * or, where the log was rewritten since, something else under the same offsets: so it is told of where the place is below.
   */
  #gapIfNews(gap: Gap): boolean {
    const passes = gap.to !== undefined && !leadsBack.has(gap.reason)
    const known = (after: Position) => (passes ? this.place.at(after)?.offset : this.#known(gap, after))
    const isNews = gap.after === '' || positionsOf(gap).some((after) => isAbout(gap, after, known(after)))
    return isNews ? this.#gap(gap) : true
  }
}

/** The lowest offset that it is about. */
const firstOf = (frame: Delivery | Gap): number => (frame.kind === 'gap' ? frame.from : frame.offset)

const isBack = (frame: Delivery | Gap): boolean => 'reason' in frame && leadsBack.has(frame.reason)

/** Where its reader goes on; none where that is not known. */
const positionsOf = ({ after }: Gap): Position[] =>
  after === '' ? [] : decodeToken(after).filter((position) => !isGrowth(position))

/** How many partitions there are, where the gap says it. */
const growthOf = ({ after }: Gap): Position | undefined =>
  after === '' ? undefined : decodeToken(after).find(isGrowth)

/** The gap of a reader that was further on, for one who stands at `offset` at most. */
function endingBy(gap: Gap, offset: number): Gap {
  if (gap.after === '') return gap
  const after = positionsOf(gap).map((position) => {
    return position.offset <= offset ? position : { ...position, offset, generation: -1 }
  })
  return { ...gap, after: encodeToken(after) }
}

/** Whether a gap that ends at `after` is about one who expects the offset `own` next. */
function isAbout({ reason }: Gap, after: Position, own: number | undefined): boolean {
  if (own === undefined) return true
  return reason === 'rewritten' ? own > after.offset : own < after.offset
}
