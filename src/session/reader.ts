import type { Member } from '../fanout/hub.ts'
import type { OutgoingRecord } from '../fanout/outgoing-record.ts'
import type { FeedReader, PartitionFeed } from '../fanout/partition-feed.ts'
import { noEntry, tooMany } from '../log/chains.ts'
import { type StoredEntry, storedEntry } from '../log/entry.ts'
import type { Lost } from '../log/losses.ts'
import type { Window } from '../log/window.ts'
import type { Position } from '../wire/token.ts'
import { type Account, sizes } from './account.ts'
import { DroppedRun } from './dropped-run.ts'
import { type CatchUp, type DropReason, dropReason } from './drops.ts'
import { Matcher, type ScanBudget } from './matcher.ts'
import { oldestWithinBudget } from './oldest-within-budget.ts'
import { type WriteOutcome, writeOutcome } from './outlet.ts'
import type { PendingGap } from './pending-gap.ts'
import type { ReadBack, ReadBackWaiter } from './read-back.ts'
import { ReaderCursor } from './reader-cursor.ts'
import type { Start } from './start.ts'
import type { Leg } from './subscription.ts'

/** What a reader needs of its session. */
export interface ReaderOwner {
  /** False while the socket is full: nothing may be written. */
  readonly writable: boolean
  /** Wall clock, Unix ms. */
  readonly nowMs: number
  readonly readBack: ReadBack
  readonly account: Account
  /** Bytes of log that may still be read back for it; Infinity = there is no limit. */
  readonly readBackLeft: number
  /** So many bytes of log were read back for it. */
  charge(bytes: number): void
  /** A live record, at the moment it was read. */
  deliverLive(reader: Reader, record: OutgoingRecord): void
  /** A record from the window or from read-back; who has it stands at `next`. */
  deliverMissed(reader: Reader, record: StoredEntry, next: number): WriteOutcome
  /** The same of a gap. False when the socket did not take it. */
  sendGap(reader: Reader, gap: PendingGap, next: number): boolean
  /** A reader owes its client something. */
  gapsPending(): void
  /** The reader can go on: run the session soon. */
  wake(): void
  /** Its position is ahead of this gateway's head: the other gateway, or the old leader, was quicker, or the log was cut. */
  watchParked(reader: Reader): void
}

/**
 * `live`: gets records as they arrive. `behind`: reads on from `next` whenever its session runs. `waiting`: for read-back.
 * `parked`: `next` is ahead of the head. `closed`: nothing more.
 */
export type ReaderMode = 'live' | 'behind' | 'waiting' | 'parked' | 'closed'

/** What became of one turn of a reader that is behind. */
export type Progress = 'head' | 'budget' | 'blocked' | 'waiting'

const scratch: StoredEntry = storedEntry()
const catchUp: CatchUp = { live: undefined, latest: false, nowMs: 0 }

/**
 * A reader of one partition at a position, for one session: its main reader, shared by all refs that are live, or the side
 * reader of one ref that is still catching up. Live, behind, slow and reconnecting are the same thing at other offsets.
 * Nobody but itself moves it; `stamp` is the hub's.
 */
export class Reader implements Member, FeedReader, ReadBackWaiter {
  stamp = 0
  /** Of the event that its client was given last, at first of the position at which it began. Nobody but who writes its frames sets it. */
  generation: number
  readonly feed: PartitionFeed
  /** Whom its deliveries and gaps are for: a side reader's one ref; undefined = every live ref. */
  readonly refs: readonly number[] | undefined
  /** A side reader's. */
  readonly leg: Leg | undefined
  #matcher: Matcher | undefined
  readonly #cursor: ReaderCursor
  #mode: ReaderMode = 'behind'
  #dropped: DroppedRun | undefined
  /** Its stretch below the memory was held against what its session may have read back. */
  #measured = false
  readonly #owner: ReaderOwner

  /** A main reader, or the side reader of `leg`. */
  constructor(owner: ReaderOwner, start: Start, leg?: Leg) {
    const { feed } = start
    this.#owner = owner
    this.feed = feed
    this.#cursor = new ReaderCursor(start, owner.account)
    this.generation = this.#cursor.at(start.offset).generation
    this.leg = leg
    this.refs = leg && [leg.subscription.ref]
    owner.account.charge(sizeOf(this))
    if (this.hasPendingGaps) owner.gapsPending()
    feed.readers.add(this)
  }

  /** It gives nothing more. Its legs may leave later. */
  close(): void {
    if (this.#mode === 'closed') return
    this.#mode = 'closed'
    this.#owner.account.give(sizeOf(this))
    this.#cursor.close()
    this.feed.readers.delete(this)
    this.feed.parked.delete(this)
    this.#owner.readBack.forget(this)
  }

  get mode(): ReaderMode {
    return this.#mode
  }

  get next(): number {
    return this.#cursor.next
  }

  /** Its client must be told something before anything else. */
  get hasPendingGaps(): boolean {
    return this.#cursor.pendingGap !== undefined
  }

  /** The same once it has what is being written. */
  get hasMorePending(): boolean {
    return this.#cursor.hasMorePending
  }

  /** See `Place.owesMove`. */
  get endsWithMove(): boolean {
    return this.#cursor.endsWithMove
  }

  /** Whom it reads for. */
  get legs(): readonly Leg[] {
    return this.#wanted.legs
  }

  /** Made when it is first needed: a thousand side readers may wait for their turn. */
  get #wanted(): Matcher {
    if (this.#matcher === undefined) {
      this.#matcher = new Matcher()
      if (this.leg !== undefined) this.#matcher.add(this.leg)
    }
    return this.#matcher
  }

  get #isMain(): boolean {
    return this.leg === undefined
  }

  /** A main reader's: it serves the leg from where it stands on. */
  join(leg: Leg): void {
    this.#wanted.add(leg)
    leg.membership = this.feed.hub.join(leg.subscription.subject, this)
  }

  leave(leg: Leg): void {
    if (leg.membership !== undefined) this.feed.hub.leave(leg.membership)
    leg.membership = undefined
    this.#wanted.remove(leg)
  }

  /** Where its client stands: all below was given or told. */
  position(): Position | undefined {
    return this.#cursor.position(this.standsAt)
  }

  /** Where its client stands once it has what is being written, which leads to `next`: an event of this generation, if that is known. */
  positionAfter(next: number, generation?: number): Position {
    return this.#cursor.positionAfter(next, generation)
  }

  /** Where its client stands once it has all that it is owed. */
  destination(): Position {
    return this.#cursor.at(this.standsAt)
  }

  /** The next offset that its client is to be given; while live, the head when that is higher. */
  get standsAt(): number {
    const { next } = this.#cursor
    return this.#mode === 'live' ? Math.max(next, this.feed.window.head) : next
  }

  /** The hot path. */
  offer(record: OutgoingRecord): void {
    if (this.#mode !== 'live' || record.offset < this.#cursor.next) return
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
    this.#cursor.moveTo(next)
  }

  /** The client is told of it before anything else; the reader goes on at `next`, where it stands unless given. */
  addGap(gap: PendingGap, next: number = this.standsAt): void {
    this.#cursor.addGap(gap, next)
    this.#resume()
  }

  lost(lost: Lost): void {
    const { from, to, reason } = lost
    if (reason === 'rewritten') {
      if (this.standsAt > from) this.#rewind({ from, to, reason, before: this.destination() }, from)
      else this.#cursor.rewrittenFrom(from)
    } else if (this.#mode === 'live') {
      // The window remembers the loss; it is told on the way past it.
      this.fallBehind(from)
      this.#owner.wake()
    }
  }

  recreated(before: Position): void {
    this.#rewind({ from: before.offset, to: undefined, reason: 'recreated', before }, this.feed.first)
  }

  moved(): void {
    this.#judge()
    if (this.#mode === 'parked' && this.feed.window.head >= this.#cursor.next) this.#resume()
  }

  /** Its turn to be read comes later: meanwhile it hears of what its position is ahead of. */
  queue(): void {
    if (!this.#judge() && this.#cursor.next > this.feed.window.head) this.#park()
  }

  /** See `Place.judge`. */
  #judge(): boolean {
    const isOther = this.#cursor.judge()
    if (isOther) this.#resume()
    return isOther
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
    if (this.#mode !== 'parked' || this.#cursor.next <= end) return
    this.#cursor.cutBack(end)
    this.#resume()
  }

  /** What its client must be told first, as far as the socket takes it. */
  flushGaps(): void {
    const place = this.#cursor
    while (place.pendingGap !== undefined && this.#owner.writable)
      if (this.#tell(place.pendingGap, place.next)) place.gapSent()
  }

  /** Reads on while socket and budget last. Nothing is written while the socket is full. */
  read(budget: ScanBudget): Progress {
    while (this.#owner.writable) {
      if (this.hasPendingGaps) {
        this.flushGaps()
        continue
      }
      const { window } = this.feed
      if (this.#judge()) continue
      const { next } = this.#cursor
      if (next > window.head) return this.#park()
      if (next < window.tail && next >= window.indexTail && this.#skip(window)) continue
      const inMemory = next >= window.tail
      if (inMemory) this.#measured = false
      else if (this.#isOverBudget(window)) continue
      const stretch = inMemory ? window : this.#owner.readBack.find(this.feed, next)
      if (stretch === undefined) {
        this.#mode = 'waiting'
        this.#owner.readBack.want(this)
        return 'waiting'
      }
      const progress = this.#walk(stretch, budget)
      if (!inMemory) this.#charge(stretch, next)
      if (progress !== 'head') return progress
      if (!inMemory) continue
      if (this.#isMain) this.goLive()
      return 'head'
    }
    return 'blocked'
  }

  /** Passes what the index knows to be nobody's here, without reading it; a loss on the way is told. True when it moved. */
  #skip(window: Window): boolean {
    const { next } = this.#cursor
    const to = this.#wanted.skipTo(window, next)
    if (to <= next) return false
    const lost = window.nextLost(next)
    if (lost === undefined || lost.from >= to) this.#cursor.moveTo(to)
    else if (lost.from > next) this.#cursor.moveTo(lost.from)
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
    const to = oldestWithinBudget(window, this.#wanted.hashes, readBackLeft, this.#owner.readBack.chunkBytes)
    if (to <= this.#cursor.next) return false
    this.#pass(Math.min(to, window.tail))
    return true
  }

  /** Its part of a chunk, whoever used it before. */
  #charge(chunk: Window, from: number): void {
    const share = Math.max(0, this.#cursor.next - from) / (chunk.head - chunk.tail)
    this.#owner.charge(share * chunk.usedBytes)
  }

  /** [next, to) is not read back: told, and on from there. */
  #pass(to: number): void {
    const { next } = this.#cursor
    this.addGap({ from: next, to: to - 1, reason: 'budget', certain: false, before: this.destination() }, to)
  }

  #walk(window: Window, budget: ScanBudget): Progress {
    const matcher = this.#wanted
    let ordinal = matcher.first(window, this.#cursor.next, scratch, budget)
    for (;;) {
      const upTo = ordinal >= 0 ? window.offsetOf(ordinal) : ordinal === tooMany ? budget.stoppedAt : window.head
      const lost = window.nextLost(this.#cursor.next)
      if (lost !== undefined && lost.from < upTo) {
        if (!this.#tellLost(lost)) return 'blocked'
        continue
      }
      if (ordinal < 0) {
        this.#walkTo(upTo)
        return this.#tellLeftOut() ? (ordinal === noEntry ? 'head' : 'budget') : 'blocked'
      }
      if (budget.left-- <= 0) {
        this.#walkTo(upTo)
        return this.#tellLeftOut() ? 'budget' : 'blocked'
      }
      if (!this.#give(window, ordinal)) return 'blocked'
      ordinal = matcher.following(window, ordinal, scratch, budget)
    }
  }

  /** False when the socket is full afterwards: the next turn starts at `next`. */
  #give(window: Window, ordinal: number): boolean {
    window.load(ordinal, scratch)
    const { offset } = scratch
    const only = this.#cursor.onlyAt(offset)
    if (only?.offsets.has(offset) === false) {
      this.#walkTo(offset + 1)
      return true
    }
    // Events that `last` asked for by number are wanted, each of them.
    catchUp.latest = only === undefined && this.#wanted.wantsLatest(scratch)
    catchUp.nowMs = this.#owner.nowMs
    catchUp.live = window === this.feed.window ? undefined : this.feed.window
    const reason = dropReason(scratch, window, ordinal, catchUp)
    if (reason !== undefined) return this.#leaveOut(reason)
    if (!this.#tellLeftOut()) return false
    // What lies below is not looked at again where the socket refuses this one.
    this.#cursor.moveTo(offset)
    const outcome = this.#owner.deliverMissed(this, scratch, offset + 1)
    if (outcome !== writeOutcome.refused) this.#cursor.moveTo(offset + 1)
    return outcome === writeOutcome.sent
  }

  /** Leaves out the record in `scratch`. False when the socket is full afterwards. */
  #leaveOut(reason: DropReason): boolean {
    const { offset } = scratch
    const refs = this.#isMain && this.legs.length > 1 ? this.#wanted.refsOf(scratch) : undefined
    if (this.#dropped?.add(offset, reason, refs)) return true
    if (!this.#tellLeftOut()) return false
    this.#cursor.moveTo(offset)
    this.#dropped = new DroppedRun(offset, reason, refs)
    return true
  }

  /** What lies below is nobody's here, or left out. */
  #walkTo(next: number): void {
    if (this.#dropped === undefined) this.#cursor.moveTo(next)
    else this.#dropped.next = next
  }

  /** What was left out is told before anything behind it. False when the socket is full afterwards. */
  #tellLeftOut(): boolean {
    const leftOut = this.#dropped
    if (leftOut === undefined) return true
    this.#dropped = undefined
    if (!this.#owner.writable || !this.#tell(leftOut.gap, leftOut.next)) return false
    this.#cursor.moveTo(leftOut.next)
    return this.#owner.writable
  }

  #tellLost(lost: Lost): boolean {
    if (!this.#tellLeftOut() || !this.#owner.writable) return false
    const { to, reason } = lost
    const from = Math.max(lost.from, this.#cursor.next)
    if (this.#tell({ from, to, reason, certain: false, before: undefined }, to + 1)) this.#cursor.moveTo(to + 1)
    return this.#owner.writable
  }

  /**
   * False when the socket did not take it. A main reader whose refs are all still on their way has nobody to tell: their side
   * readers tell them, and a position of the main one's would carry them past what they were not given. But a rewrite leads
   * back: their clients may hold what it gave to others who have left, and learn by it that this is of no more use.
   */
  #tell(gap: PendingGap, next: number): boolean {
    if (this.#isMain && this.legs.length === 0 && gap.reason !== 'rewritten') return true
    return this.#owner.sendGap(this, gap, next)
  }

  #park(): Progress {
    this.#mode = 'parked'
    this.feed.parked.add(this)
    this.#owner.watchParked(this)
    return 'waiting'
  }

  #rewind(gap: Parameters<ReaderCursor['rewind']>[0], next: number): void {
    this.#cursor.rewind(gap, next)
    this.#resume()
  }

  #resume(): void {
    this.feed.parked.delete(this)
    this.#mode = 'behind'
    if (this.hasPendingGaps) this.#owner.gapsPending()
    this.#owner.wake()
  }
}

const sizeOf = ({ leg }: Reader): number => (leg === undefined ? sizes.track : sizes.reader)
