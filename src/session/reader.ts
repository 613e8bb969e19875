import { unknownGeneration } from '../base/generation.ts'
import type { Member } from '../fanout/hub.ts'
import type { LiveRecord } from '../fanout/live-record.ts'
import type { FeedReader, PartitionFeed } from '../fanout/partition-feed.ts'
import { noEntry, tooMany } from '../log/chains.ts'
import { type Loaded, loaded } from '../log/entry.ts'
import type { Lost } from '../log/losses.ts'
import type { Window } from '../log/window.ts'
import type { Position } from '../wire/token.ts'
import { type CatchUp, type DropReason, dropReason } from './drops.ts'
import type { OwedGap } from './gap.ts'
import { type Look, Matcher } from './matcher.ts'
import { type WriteOutcome, writeOutcome } from './outlet.ts'
import { reach } from './reach.ts'
import type { ReadBack, ReadBackWaiter } from './read-back.ts'
import type { Only, Start } from './start.ts'
import type { Leg } from './subscription.ts'

/** What a reader needs of its session. */
export interface ReaderOwner {
  /** False while the socket is full: nothing may be written. */
  readonly writable: boolean
  /** Wall clock, Unix ms. */
  readonly nowMs: number
  readonly readBack: ReadBack
  /** Bytes of log that may still be read back for it; Infinity = there is no limit. */
  readonly readBackLeft: number
  /** So many bytes of log were read back for it. */
  charge(bytes: number): void
  /** A live record, at the moment it was read. */
  deliverLive(reader: Reader, record: LiveRecord): void
  /** A record from the window or from read-back; who has it stands at `next`. */
  deliverMissed(reader: Reader, record: Loaded, next: number): WriteOutcome
  /** The same of a gap. False when the socket did not take it. */
  tellGap(reader: Reader, gap: OwedGap, next: number): boolean
  /** The reader can go on: run the session soon. */
  wake(): void
  /** Its position is ahead of this gateway's head: the other gateway, or the old leader, was quicker, or the log was cut. */
  watchAhead(reader: Reader): void
}

/**
 * `live`: gets records as they arrive. `behind`: reads on from `next` whenever its session runs. `waiting`: for read-back.
 * `parked`: `next` is ahead of the head.
 */
export type ReaderMode = 'live' | 'behind' | 'waiting' | 'parked'

/** What became of one turn of a reader that is behind. */
export type Progress = 'head' | 'budget' | 'blocked' | 'waiting'

const scratch: Loaded = loaded()
const catchUp: CatchUp = { live: undefined, latest: false, nowMs: 0 }

/** Events in a row that were left out, not told yet: only while a reader walks. */
interface Dropped {
  readonly from: number
  to: number
  n: number
  readonly reason: DropReason
  readonly refs: readonly number[] | undefined
  /** How far the walk is. Its reader stays at `from` until the client was told. */
  next: number
}

/**
 * A reader of one partition at a position, for one session: its main reader, shared by all refs that are live, or the side
 * reader of one ref that is still catching up. Live, behind, slow and reconnecting are the same thing at other offsets.
 * Nobody but itself moves it; only `stamp` is the hub's.
 */
export class Reader implements Member, FeedReader, ReadBackWaiter {
  stamp = 0
  readonly feed: PartitionFeed
  /** Whom its deliveries and gaps are for: a side reader's one ref; undefined = every live ref. */
  readonly refs: readonly number[] | undefined
  readonly #main: boolean
  readonly #matcher = new Matcher()
  #mode: ReaderMode = 'behind'
  /** The next offset to be given; while live, the head when that is higher. */
  #next: number
  /** Told before anything else, in order. */
  readonly #owed: OwedGap[]
  /** Of the log below the position that it was asked for, until this gateway has read so far; after that it is unknown. */
  #generation: number
  /** Set where a client asked for the last events only. */
  #only: Only | undefined
  #dropped: Dropped | undefined
  /** Its stretch below the memory was held against what its session may have read back. */
  #measured = false
  readonly #owner: ReaderOwner

  /** A main reader, or the side reader of `leg`. */
  constructor(owner: ReaderOwner, { feed, offset, gaps, only, generation = unknownGeneration }: Start, leg?: Leg) {
    this.#owner = owner
    this.feed = feed
    this.#main = leg === undefined
    this.refs = leg && [leg.subscription.ref]
    this.#next = offset
    this.#owed = [...gaps]
    this.#only = only
    this.#generation = generation
    if (leg !== undefined) this.#matcher.add(leg)
    feed.readers.add(this)
  }

  close(): void {
    for (const { membership } of this.legs) if (membership !== undefined) this.feed.hub.leave(membership)
    this.feed.readers.delete(this)
    this.feed.parked.delete(this)
    this.#owner.readBack.forget(this)
  }

  get mode(): ReaderMode {
    return this.#mode
  }

  get next(): number {
    return this.#next
  }

  /** Its client must be told something before anything else. */
  get owes(): boolean {
    return this.#owed.length > 0
  }

  /** The same once it has what is being written. */
  get owesMore(): boolean {
    return this.#owed.length > 1
  }

  /** Whom it reads for. */
  get legs(): readonly Leg[] {
    return this.#matcher.legs
  }

  /** A main reader's: it serves the leg from where it stands on. */
  join(leg: Leg): void {
    this.#matcher.add(leg)
    leg.membership = this.feed.hub.join(leg.subscription.subject, this)
  }

  leave(leg: Leg): void {
    if (leg.membership !== undefined) this.feed.hub.leave(leg.membership)
    leg.membership = undefined
    this.#matcher.remove(leg)
  }

  /** Where its client stands: all below was given or told. */
  position(): Position | undefined {
    const [gap] = this.#owed
    if (gap !== undefined) return gap.before
    return this.#positionAt(this.standsAt)
  }

  /** Where its client stands once it has what is being written, which leads to `next`. */
  positionAfter(next: number): Position | undefined {
    const later = this.#owed[1]
    return later === undefined ? this.#positionAt(next) : later.before
  }

  /** The next offset that its client is to be given. */
  get standsAt(): number {
    return this.#mode === 'live' ? Math.max(this.#next, this.feed.window.head) : this.#next
  }

  // Member: the hot path

  offer(record: LiveRecord): void {
    if (this.#mode !== 'live' || record.offset < this.#next) return
    this.#owner.deliverLive(this, record)
  }

  /** A main reader's, at the head: records are given as they arrive, unless the socket is full. */
  goLive(): void {
    if (this.#owner.writable) this.#mode = 'live'
  }

  /** No longer live: reads on from the head, or from the record at the head that the socket refused. */
  fallBehind(next: number = this.standsAt): void {
    if (this.#mode !== 'live') return
    this.#mode = 'behind'
    this.#next = next
  }

  /** The client is told of it before anything else; the reader goes on at `next`, where it stands unless given. */
  owe(gap: OwedGap, next: number = this.standsAt): void {
    this.#owed.push(gap)
    this.#next = next
    this.#resume()
  }

  // FeedReader: what happened to the log

  lost(lost: Lost): void {
    if (lost.reason === 'rewritten') {
      if (this.standsAt > lost.from) this.#rewind(lost, lost.from)
      else this.#cutOnly(lost.from)
    } else if (this.#mode === 'live') {
      // The window remembers the loss; it is told on the way past it.
      this.#mode = 'behind'
      this.#next = lost.from
      this.#owner.wake()
    }
  }

  recreated(before: Position | undefined): void {
    const from = this.#mode === 'live' ? before!.offset : this.#next
    this.#rewind({ from, to: undefined, reason: 'recreated' }, 0, before)
  }

  moved(): void {
    this.#judge()
    if (this.#mode === 'parked' && this.feed.window.head >= this.#next) this.#resume()
  }

  /** Its turn to be read comes later: meanwhile it hears of what its position is ahead of. */
  queue(): void {
    if (!this.#judge() && this.#next > this.feed.window.head) this.#park()
  }

  /**
   * Holds its position against what this gateway has read since it was asked for: at once, for by its turn what speaks against it may
   * have left the index. True when it was of another log.
   */
  #judge(): boolean {
    const agreed = this.#agreed()
    const next = this.#next
    if (agreed < next) {
      const from = this.feed.doubtfulFrom(agreed, this.#generation)
      this.#rewind({ from, to: next - 1, reason: 'rewritten' }, agreed)
    } else if (this.feed.window.head >= next) this.#generation = unknownGeneration
    return agreed < next
  }

  /** Read-back has what this reader waits for. */
  resume(): void {
    if (this.#mode === 'waiting') this.#resume()
  }

  passTo(to: number): void {
    if (this.#mode === 'waiting') this.#pass(to)
  }

  /** Ahead of a log that really ends at `end`: told, and on from there. */
  cutBackTo(end: number): void {
    if (this.#mode !== 'parked' || this.#next <= end) return
    const from = this.feed.doubtfulFrom(end, this.#generation)
    this.#rewind({ from, to: this.#next - 1, reason: 'rewritten' }, end)
  }

  // Catching up

  /** What its client must be told first, as far as the socket takes it. */
  tellOwed(): void {
    while (this.#owed.length > 0 && this.#owner.writable) {
      if (this.#tell(this.#owed[0]!, this.#next)) this.#owed.shift()
    }
  }

  /** Reads on while socket and budget last. Nothing is written while the socket is full. */
  read(look: Look): Progress {
    while (this.#owner.writable) {
      if (this.#owed.length > 0) {
        this.tellOwed()
        continue
      }
      const { window } = this.feed
      if (this.#judge()) continue
      if (this.#next > window.head) return this.#park()
      if (this.#next < window.tail && this.#next >= window.indexTail && this.#skip(window)) continue
      const inMemory = this.#next >= window.tail
      if (inMemory) this.#measured = false
      else if (this.#isOverBudget(window)) continue
      const stretch = inMemory ? window : this.#owner.readBack.find(this.feed, this.#next)
      if (stretch === undefined) {
        this.#mode = 'waiting'
        this.#owner.readBack.want(this)
        return 'waiting'
      }
      const next = this.#next
      const progress = this.#walk(stretch, look)
      if (!inMemory) this.#charge(stretch, next)
      if (progress !== 'head') return progress
      if (!inMemory) continue
      if (this.#main) this.goLive()
      return 'head'
    }
    return 'blocked'
  }

  /** Passes what the index knows to be nobody's here, without reading it; a loss on the way is told. True when it moved. */
  #skip(window: Window): boolean {
    const to = this.#matcher.skipTo(window, this.#next)
    if (to <= this.#next) return false
    const lost = window.nextLost(this.#next)
    if (lost === undefined || lost.from >= to) this.#next = to
    else if (lost.from > this.#next) this.#next = lost.from
    else this.#tellLost(lost)
    return true
  }

  /**
   * What its session may have read back is spent on the newest part of what it missed: the rest is passed, and told. True when it
   * moved. Measured once a stretch, and again when all is spent: the measure is an estimate.
   */
  #isOverBudget(window: Window): boolean {
    const { readBackLeft } = this.#owner
    if (readBackLeft === Number.POSITIVE_INFINITY || (this.#measured && readBackLeft > 0)) return false
    this.#measured = true
    const to = reach(window, this.#matcher.hashes, readBackLeft, this.#owner.readBack.chunkBytes)
    if (to <= this.#next) return false
    this.#pass(Math.min(to, window.tail))
    return true
  }

  /** Its part of a chunk, whoever used it before. */
  #charge(chunk: Window, from: number): void {
    const share = Math.max(0, this.#next - from) / (chunk.head - chunk.tail)
    this.#owner.charge(share * chunk.usedBytes)
  }

  /** [next, to) is not read back: told, and on from there. */
  #pass(to: number): void {
    const next = this.#next
    this.owe({ from: next, to: to - 1, reason: 'budget', certain: false, before: this.position() }, to)
  }

  #walk(window: Window, look: Look): Progress {
    const matcher = this.#matcher
    let ordinal = matcher.first(window, this.#next, scratch, look)
    for (;;) {
      const upTo = ordinal >= 0 ? window.offsetOf(ordinal) : ordinal === tooMany ? look.stoppedAt : window.head
      const lost = window.nextLost(this.#next)
      if (lost !== undefined && lost.from < upTo) {
        if (!this.#tellLost(lost)) return 'blocked'
        continue
      }
      if (ordinal < 0) {
        this.#walkTo(upTo)
        return this.#tellDropped() ? (ordinal === noEntry ? 'head' : 'budget') : 'blocked'
      }
      if (look.left-- <= 0) {
        this.#walkTo(upTo)
        return this.#tellDropped() ? 'budget' : 'blocked'
      }
      if (!this.#give(window, ordinal)) return 'blocked'
      ordinal = matcher.following(window, ordinal, scratch, look)
    }
  }

  /** False when the socket is full afterwards: the next turn starts at `next`. */
  #give(window: Window, ordinal: number): boolean {
    window.load(ordinal, scratch)
    const { offset } = scratch
    const only = this.#onlyAt(offset)
    if (only?.offsets.has(offset) === false) {
      this.#walkTo(offset + 1)
      return true
    }
    // Events that `last` asked for by number are wanted, each of them.
    catchUp.latest = only === undefined && this.#matcher.wantsLatest(scratch)
    catchUp.nowMs = this.#owner.nowMs
    catchUp.live = window === this.feed.window ? undefined : this.feed.window
    const reason = dropReason(scratch, window, ordinal, catchUp)
    if (reason !== undefined) return this.#drop(reason)
    if (!this.#tellDropped()) return false
    const outcome = this.#owner.deliverMissed(this, scratch, offset + 1)
    if (outcome !== writeOutcome.refused) this.#next = offset + 1
    return outcome === writeOutcome.sent
  }

  /** Forgotten once the reader stands behind it: what was left out may still have to be walked again. */
  #onlyAt(offset: number): Only | undefined {
    const only = this.#only
    if (only === undefined || offset < only.until) return only
    if (this.#dropped === undefined) this.#only = undefined
    return undefined
  }

  /** From there on the log is another one, in which nothing was counted. */
  #cutOnly(from: number): void {
    const only = this.#only
    if (only !== undefined && only.until > from) this.#only = { until: from, offsets: only.offsets }
  }

  /** Leaves out the record in `scratch`. False when the socket is full afterwards. */
  #drop(reason: DropReason): boolean {
    const { offset } = scratch
    const refs = this.#main && this.#matcher.legs.length > 1 ? this.#refsOf(scratch) : undefined
    const dropped = this.#dropped
    if (dropped?.reason === reason && `${dropped.refs}` === `${refs}`) {
      dropped.to = offset
      dropped.n++
    } else {
      if (!this.#tellDropped()) return false
      this.#next = offset
      this.#dropped = { from: offset, to: offset, n: 1, reason, refs, next: offset }
    }
    this.#walkTo(offset + 1)
    return true
  }

  /** What lies below is nobody's here, or left out. */
  #walkTo(next: number): void {
    if (this.#dropped === undefined) this.#next = next
    else this.#dropped.next = next
  }

  /** SSE and poll have no refs. */
  #refsOf(record: Loaded): readonly number[] | undefined {
    const refs = this.#matcher.wanting(record).map(({ ref }) => ref)
    return refs.includes(0) ? undefined : refs.sort((a, b) => a - b)
  }

  /** What was left out is told before anything behind it. False when the socket is full afterwards. */
  #tellDropped(): boolean {
    const dropped = this.#dropped
    if (dropped === undefined) return true
    const { from, to, n, reason, refs, next } = dropped
    this.#dropped = undefined
    if (!this.#owner.writable) return false
    if (!this.#tell({ from, to, n, reason, refs, certain: true, before: undefined }, next)) return false
    this.#next = next
    return this.#owner.writable
  }

  #tellLost(lost: Lost): boolean {
    if (!this.#tellDropped() || !this.#owner.writable) return false
    const { to, reason } = lost
    const from = Math.max(lost.from, this.#next)
    if (this.#tell({ from, to, reason, certain: false, before: undefined }, to + 1)) this.#next = to + 1
    return this.#owner.writable
  }

  /**
   * False when the socket did not take it. A main reader whose refs are all still on their way has nobody to tell: their side
   * readers tell them, and a position of the main one's would carry them past what they were not given. But a rewrite leads
   * back: their clients may hold what it gave to others who have left, and learn by it that this is of no more use.
   */
  #tell(gap: OwedGap, next: number): boolean {
    if (this.#main && this.#matcher.legs.length === 0 && gap.reason !== 'rewritten') return true
    return this.#owner.tellGap(this, gap, next)
  }

  /** Ahead of this gateway its client's token knows better than the window what lies below. */
  #positionAt(offset: number): Position {
    const position = this.feed.positionAt(offset)
    return position.generation === unknownGeneration ? { ...position, generation: this.#generation } : position
  }

  /** Up to where this gateway's log is the one that the position was of. */
  #agreed(): number {
    const generation = this.#generation
    return generation === unknownGeneration ? this.#next : this.feed.window.divergence(this.#next, generation)
  }

  #park(): Progress {
    this.#mode = 'parked'
    this.feed.parked.add(this)
    this.#owner.watchAhead(this)
    return 'waiting'
  }

  #rewind({ from, to, reason }: Pick<OwedGap, 'from' | 'to' | 'reason'>, next: number, before?: Position): void {
    const stood = before ?? this.position()
    this.#generation = unknownGeneration
    // Its offsets are those of the log that is gone.
    this.#only = undefined
    this.owe({ from, to, reason, certain: false, before: stood }, next)
  }

  #resume(): void {
    this.feed.parked.delete(this)
    this.#mode = 'behind'
    this.#owner.wake()
  }
}
