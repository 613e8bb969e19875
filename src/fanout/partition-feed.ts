import { unknownGeneration } from '../base/generation.ts'
import { seededHash } from '../base/hash.ts'
import { counted } from '../base/numbers.ts'
import type { RejectReason } from '../base/reject-reasons.ts'
import type { RejectedRecord } from '../intake/entries.ts'
import type { Lost } from '../log/losses.ts'
import { Window, type WindowOptions } from '../log/window.ts'
import type { Blocked, Offsets } from '../source/source.ts'
import type { StreamInstruments } from '../telemetry/instruments.ts'
import { encodePosition, hashOf, type Position } from '../wire/token.ts'
import { Hub } from './hub.ts'

/** A reader of one partition, which the feed notifies of changes to the log. */
export interface FeedReader {
  /** A stretch is lost; the window has recorded it already. */
  lost(lost: Lost): void
  /** Returns the client's position after it has received all pending gaps. */
  destination(): Position
  /**
   * Another log has the same name, and is read from its beginning. `before` is the reader's
   * `destination` in the old log.
   */
  recreated(before: Position): void
  /**
   * A batch has ended and `window.head` has moved. Called only while the reader is in `parked`.
   */
  moved(): void
  /**
   * The broker's log certainly ends at `end`, so records ahead of it are gone. Called only while
   * the reader is in `parked`.
   */
  cutBackTo(end: number): void
}

/**
 * `absent`: this gateway does not read the partition. `filling`: its newest stretch is being read
 * into its window. `live`: the window follows the log, and clients may subscribe.
 */
export type FeedPhase = 'absent' | 'filling' | 'live'

/** Identifies a partition. */
export interface ServedPartition {
  readonly stream: string
  readonly incarnation: string
  readonly partition: number
  /** Offset of the log's first record ever; default 0. */
  readonly firstOffset?: number
}

/**
 * One partition as this gateway serves it: its window, its subscribers, and its state on the
 * broker.
 */
export class PartitionFeed {
  readonly stream: string
  readonly partition: number
  /** Another one only before somebody reads. */
  window: Window
  readonly hub: Hub
  readonly instruments: StreamInstruments
  phase: FeedPhase = 'absent'
  /** Runs `take` and `leave` of this partition one at a time. */
  turn: Promise<void> = Promise.resolve()
  /** All readers of this partition, live or not. */
  readonly readers = new Set<FeedReader>()
  /** Readers whose position is ahead of this gateway's head. */
  readonly parked = new Set<FeedReader>()
  /** Offset of the log's first record ever. */
  readonly firstOffset: number
  /** Hashes of the stream's name and current incarnation, as in a token. */
  readonly nameHash: number
  incarnationHash: number
  /**
   * Counts how often records read from the log became invalid. A chunk read before the last time
   * is invalid too.
   */
  rewrites = 0
  /**
   * The broker's first retained offset, and its head, as of the last batch; `firstOffset` and 0
   * before the first batch.
   */
  first: number
  brokerHead = 0
  /**
   * Whether a record that belongs to another partition was skipped since the partition count last
   * changed.
   */
  misrouted = false
  /** Offsets that an open transaction holds back, as of the last batch; undefined = none. */
  blocked: Blocked | undefined
  /**
   * For a partition that was added while this gateway ran: the heads of the earlier partitions at
   * that time, by partition; undefined entry = not read by this gateway.
   */
  grownFrom: readonly (number | undefined)[] | undefined
  /** Record time of the last record in the current batch, ms; 0 = none yet. */
  lastTimeMs = 0
  /**
   * Time since which records have been unread, Unix ms, as of the last batch; 0 = all are read.
   */
  #unreadSinceMs = 0
  /**
   * End of the last batch, and the time since which it has not advanced although there is more,
   * Unix ms; 0 = nothing more.
   */
  #next = 0
  #stuckSinceMs = 0

  constructor(
    { stream, incarnation, partition, firstOffset = 0 }: ServedPartition,
    options: WindowOptions,
    instruments: StreamInstruments,
  ) {
    this.stream = stream
    this.firstOffset = firstOffset
    this.first = firstOffset
    this.instruments = instruments
    this.partition = partition
    this.window = new Window(options.pool)
    this.window.start(firstOffset, unknownGeneration)
    this.hub = new Hub((bytes) => seededHash(bytes, 0, bytes.length, options.seed))
    this.nameHash = hashOf(stream)
    this.incarnationHash = hashOf(incarnation)
  }

  /** Replaces the window, and closes the previous one. No reader may stand in the partition. */
  adopt(window: Window): void {
    this.window.close()
    this.window = window
  }

  /**
   * Returns the token of the position `offset`. Its generation is known while the record below is
   * in the window.
   */
  tokenAt(offset: number): string {
    return encodePosition(this.positionAt(offset))
  }

  positionAt(offset: number): Position {
    return {
      nameHash: this.nameHash,
      incarnationHash: this.incarnationHash,
      partition: this.partition,
      offset,
      generation: this.window.generationAt(offset),
    }
  }

  /** Skips an unusable record in `window`, which is the feed's or a chunk's. */
  passed(window: Window, record: RejectedRecord, reason: RejectReason): void {
    this.misrouted ||= reason === 'misrouted'
    window.advance(record.offset + 1, record.generation)
  }

  lost(lost: Lost): void {
    const { from, to, reason } = lost
    // Readers hear of a rewrite before the window drops the records they have read, and of any
    // other loss after the window has recorded it.
    if (reason !== 'rewritten') this.window.lost(from, to, reason)
    for (const reader of [...this.readers]) reader.lost(lost)
    if (reason !== 'rewritten') return
    this.window.truncate(from)
    this.rewrites++
  }

  /**
   * Handles an increase of the partition count. Records skipped as misrouted may be in their
   * partition now, so readers must read them from the broker again.
   */
  regrown(): void {
    if (!this.misrouted) return
    this.misrouted = false
    this.window.forget()
    this.rewrites++
  }

  /**
   * Ends a batch. The age of unread records is estimated: they are younger than the last record
   * of the batch, but hardly younger during a catch-up, so that record's time counts. After a
   * batch without records, the time at which this gateway learned of them counts.
   */
  batchEnd(next: number, offsets: Offsets, nowMs: number): void {
    this.window.advance(next)
    this.first = offsets.first
    this.brokerHead = offsets.head
    this.blocked = offsets.blocked
    if (next >= offsets.head) this.#stuckSinceMs = 0
    else if (next !== this.#next || this.#stuckSinceMs === 0) this.#stuckSinceMs = nowMs
    this.#next = next
    if (next >= offsets.head) this.#unreadSinceMs = 0
    else if (this.lastTimeMs > 0) this.#unreadSinceMs = this.lastTimeMs
    else if (this.#unreadSinceMs === 0) this.#unreadSinceMs = nowMs
    this.lastTimeMs = 0
  }

  /** Returns the age of the oldest unread record, ms, as `batchEnd` estimates it; 0 = none. */
  unreadAgeMs(nowMs: number): number {
    return this.#unreadSinceMs === 0 ? 0 : Math.max(0, nowMs - this.#unreadSinceMs)
  }

  /**
   * Returns why nothing arrives although the broker has more, and since when, Unix ms; undefined
   * = no standstill.
   */
  standstill(): { readonly what: string; readonly sinceMs: number } | undefined {
    if (this.#stuckSinceMs > 0) {
      const unread = counted(this.brokerHead - this.#next, 'offset')
      return { what: `the broker has ${unread} more but delivers none`, sinceMs: this.#stuckSinceMs }
    }
    if (this.blocked === undefined) return undefined
    const { offsets, sinceMs } = this.blocked
    return { what: `an open transaction holds back ${counted(offsets, 'offset')}`, sinceMs }
  }

  /** Returns `Window.doubtfulFrom`, but at least the log's first offset. */
  doubtfulFrom(offset: number, generation: number): number {
    return Math.max(this.firstOffset, this.window.doubtfulFrom(offset, generation))
  }

  /** Drops everything read. No reader may be left. */
  leave(): void {
    this.phase = 'absent'
    this.#forget()
  }

  /** Replaces the log by another one with the same name. */
  restart(incarnation: string): void {
    const readers = [...this.readers]
    // Taken before the window drops the old log, which destinations depend on.
    const before = readers.map((reader) => reader.destination())
    this.incarnationHash = hashOf(incarnation)
    this.#forget()
    this.grownFrom = undefined
    readers.forEach((reader, i) => {
      reader.recreated(before[i]!)
    })
  }

  /** Drops everything read of the log, and its state on the broker. */
  #forget(): void {
    this.rewrites++
    this.window.start(this.firstOffset, unknownGeneration)
    this.first = this.firstOffset
    this.brokerHead = 0
    this.blocked = undefined
    this.lastTimeMs = 0
    this.#unreadSinceMs = 0
    this.#stuckSinceMs = 0
  }
}
