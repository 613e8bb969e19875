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

/** The part of a session that a reader uses. */
export interface ReaderOwner {
  /** False while the socket is full: no write is allowed. */
  readonly writable: boolean
  /** Wall clock, Unix ms. */
  readonly nowMs: number
  readonly readBack: ReadBack
  readonly account: Account
  /** Bytes of log that may still be read back for it; Infinity = unlimited. */
  readonly readBackLeft: number
  /** Charges `bytes` of log that were read back for it. */
  charge(bytes: number): void
  /** Delivers a live record, at the moment it was read. */
  deliverLive(reader: Reader, record: OutgoingRecord): void
  /**
   * Delivers a record from the window or from read-back. `next` is the reader's position after
   * it.
   */
  deliverMissed(reader: Reader, record: StoredEntry, next: number): WriteOutcome
  /** Sends a gap. `next` is the reader's position after it. False = the socket refused it. */
  sendGap(reader: Reader, gap: PendingGap, next: number): boolean
  /** Reports that a reader has gaps to send. */
  gapsPending(): void
  /** Schedules a run of the session: the reader can go on. */
  wake(): void
  /**
   * Watches a reader whose position is ahead of this gateway's head: another gateway or the old
   * leader was faster, or the log was truncated.
   */
  watchParked(reader: Reader): void
}

/**
 * `live`: gets records as they arrive. `behind`: reads on from `next` whenever its session runs.
 * `waiting`: waits for read-back. `parked`: `next` is ahead of the head. `closed`: delivers
 * nothing more.
 */
export type ReaderMode = 'live' | 'behind' | 'waiting' | 'parked' | 'closed'

/** Outcome of one turn of a reader that is behind. */
export type Progress = 'head' | 'budget' | 'blocked' | 'waiting'

const scratch: StoredEntry = storedEntry()
const catchUp: CatchUp = { live: undefined, latest: false, nowMs: 0 }

/**
 * A reader of one partition at a position, for one session: its main reader, shared by all live
 * refs, or the side reader of one ref that is catching up. Live, behind, slow and reconnecting
 * clients have the same kind of reader at different offsets. Only the reader itself changes its
 * position. `stamp` belongs to the hub.
 */
export class Reader implements Member, FeedReader, ReadBackWaiter {
  stamp = 0
  /**
   * Generation of the last event delivered; initially that of the start position. Only the frame
   * writer sets it.
   */
  generation: number
  readonly feed: PartitionFeed
  /** Refs of its deliveries and gaps: a side reader's one ref; undefined = every live ref. */
  readonly refs: readonly number[] | undefined
  /** The leg of a side reader; undefined = a main reader. */
  readonly leg: Leg | undefined
  #matcher: Matcher | undefined
  readonly #cursor: ReaderCursor
  #mode: ReaderMode = 'behind'
  #dropped: DroppedRun | undefined
  /**
   * Whether its stretch below the window has been measured against the session's read-back
   * budget.
   */
  #measured = false
  readonly #owner: ReaderOwner

  /** Creates a main reader, or the side reader of `leg`. */
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

  /** Ends delivery. Its legs may leave later. */
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

  /** Whether it has gaps to send before anything else. */
  get hasPendingGaps(): boolean {
    return this.#cursor.pendingGap !== undefined
  }

  /** As `hasPendingGaps`, once the frame being written is sent. */
  get hasMorePending(): boolean {
    return this.#cursor.hasMorePending
  }

  /** See `ReaderCursor.endsWithMove`. */
  get endsWithMove(): boolean {
    return this.#cursor.endsWithMove
  }

  /** Legs that it reads for. */
  get legs(): readonly Leg[] {
    return this.#wanted.legs
  }

  /** Created on first use: a thousand side readers may be queued. */
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

  /** Adds a leg to a main reader, which serves it from its current position on. */
  join(leg: Leg): void {
    this.#wanted.add(leg)
    leg.membership = this.feed.hub.join(leg.subscription.subject, this)
  }

  leave(leg: Leg): void {
    if (leg.membership !== undefined) this.feed.hub.leave(leg.membership)
    leg.membership = undefined
    this.#wanted.remove(leg)
  }

  /** Returns the client's position: everything below was delivered or reported as a gap. */
  position(): Position | undefined {
    return this.#cursor.position(this.standsAt)
  }

  /**
   * Returns the client's position once it has the frame being written, which leads to `next`.
   * `generation` is that of the event in the frame, if known.
   */
  positionAfter(next: number, generation?: number): Position {
    return this.#cursor.positionAfter(next, generation)
  }

  /** Returns the client's position once all pending gaps are sent. */
  destination(): Position {
    return this.#cursor.at(this.standsAt)
  }

  /** Next offset to deliver; while live, at least the head. */
  get standsAt(): number {
    const { next } = this.#cursor
    return this.#mode === 'live' ? Math.max(next, this.feed.window.head) : next
  }

  /** Delivers a record at the head, if it is live. Hot path. */
  offer(record: OutgoingRecord): void {
    if (this.#mode !== 'live' || record.offset < this.#cursor.next) return
    this.#owner.deliverLive(this, record)
  }

  /** Switches a main reader that is at the head to live, unless the socket is full. */
  goLive(): void {
    if (this.#owner.writable) this.#mode = 'live'
  }

  /**
   * Ends live mode: reads on from the head, or from the record at the head that the socket
   * refused.
   */
  fallBehind(next: number = this.standsAt): void {
    if (this.#mode !== 'live') return
    this.#mode = 'behind'
    this.#cursor.moveTo(next)
  }

  /**
   * Adds a gap, to be sent before anything else. The reader continues at `next`, by default where
   * it is.
   */
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
      // The window remembers the loss; the reader reports it when it passes it.
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

  /**
   * Queues a side reader until its turn. One that is ahead of the head is parked meanwhile, so
   * that the broker is asked about its position.
   */
  queue(): void {
    if (!this.#judge() && this.#cursor.next > this.feed.window.head) this.#park()
  }

  /** See `ReaderCursor.judge`. */
  #judge(): boolean {
    const isOther = this.#cursor.judge()
    if (isOther) this.#resume()
    return isOther
  }

  /** Lets a reader that waits for read-back go on. */
  resume(): void {
    if (this.#mode === 'waiting') this.#resume()
  }

  passTo(to: number): void {
    if (this.#mode === 'waiting') this.#pass(to)
  }

  /** Moves a parked reader back to `end`, where the log really ends, with a gap. */
  cutBackTo(end: number): void {
    if (this.#mode !== 'parked' || this.#cursor.next <= end) return
    this.#cursor.cutBack(end)
    this.#resume()
  }

  /** Sends pending gaps, as far as the socket accepts them. */
  flushGaps(): void {
    const place = this.#cursor
    while (place.pendingGap !== undefined && this.#owner.writable)
      if (this.#tell(place.pendingGap, place.next)) place.gapSent()
  }

  /**
   * Reads on until the socket is full or the budget is used up. Writes nothing while the socket
   * is full.
   */
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

  /**
   * Skips records that no leg wants according to the index, without reading them. Reports a loss
   * on the way. True = it moved.
   */
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
   * Spends the session's read-back budget on the newest part of what the reader missed: skips the
   * rest, with a gap. True = it moved. Measured once a stretch, and again when the budget is
   * spent, because the measure is an estimate.
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

  /** Charges its share of a chunk, whoever used the chunk before. */
  #charge(chunk: Window, from: number): void {
    const share = Math.max(0, this.#cursor.next - from) / (chunk.head - chunk.tail)
    this.#owner.charge(share * chunk.usedBytes)
  }

  /** Skips [next, to) instead of reading it back, with a gap. */
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

  /**
   * Delivers the record at `ordinal`, or leaves it out. False = the socket is full: the next turn
   * starts at `next`.
   */
  #give(window: Window, ordinal: number): boolean {
    window.load(ordinal, scratch)
    const { offset } = scratch
    const only = this.#cursor.onlyAt(offset)
    if (only?.offsets.has(offset) === false) {
      this.#walkTo(offset + 1)
      return true
    }
    // Every event that `last` selected is wanted.
    catchUp.latest = only === undefined && this.#wanted.wantsLatest(scratch)
    catchUp.nowMs = this.#owner.nowMs
    catchUp.live = window === this.feed.window ? undefined : this.feed.window
    const reason = dropReason(scratch, window, ordinal, catchUp)
    if (reason !== undefined) return this.#leaveOut(reason)
    if (!this.#tellLeftOut()) return false
    // If the socket refuses this record, those below are not examined again.
    this.#cursor.moveTo(offset)
    const outcome = this.#owner.deliverMissed(this, scratch, offset + 1)
    if (outcome !== writeOutcome.refused) this.#cursor.moveTo(offset + 1)
    return outcome === writeOutcome.sent
  }

  /** Leaves out the record in `scratch`. False = the socket is full. */
  #leaveOut(reason: DropReason): boolean {
    const { offset } = scratch
    const refs = this.#isMain && this.legs.length > 1 ? this.#wanted.refsOf(scratch) : undefined
    if (this.#dropped?.add(offset, reason, refs)) return true
    if (!this.#tellLeftOut()) return false
    this.#cursor.moveTo(offset)
    this.#dropped = new DroppedRun(offset, reason, refs)
    return true
  }

  /** Moves to `next`: records below are unwanted, or left out. */
  #walkTo(next: number): void {
    if (this.#dropped === undefined) this.#cursor.moveTo(next)
    else this.#dropped.next = next
  }

  /** Reports the events left out, before anything after them. False = the socket is full. */
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
   * Sends a gap. False = the socket refused it. A main reader whose refs are all still catching
   * up sends none: their side readers report the gap, and the main reader's position would carry
   * the clients past records that they have not received. A rewrite is the exception, because it
   * leads back. Clients may hold records that the main reader delivered to refs that have left
   * since, and learn from the gap that these are obsolete.
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
