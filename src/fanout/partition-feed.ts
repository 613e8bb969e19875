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

/** A reader of one partition, as far as the feed must tell it what happened to the log. */
export interface FeedReader {
  /** A stretch is lost; the window has it already. */
  lost(lost: Lost): void
  /** Where its client stands once it has all that it is owed. */
  destination(): Position
  /** Another log under the same name, read from its beginning; `before` is what it was to come to in the old one. */
  recreated(before: Position): void
  /** A batch is through and `window.head` has moved; only called while the reader is in `parked`. */
  moved(): void
  /** The broker's log ends at `end`, certainly: what is ahead of it is gone. Only called while in `parked`. */
  cutBackTo(end: number): void
}

/**
 * `absent`: nothing of it is read here. `filling`: its newest stretch is read into its window. `live`: the window follows the log, and
 * clients may be let in.
 */
export type FeedPhase = 'absent' | 'filling' | 'live'

/** Which partition it is. */
export interface ServedPartition {
  readonly stream: string
  readonly incarnation: string
  readonly partition: number
  /** The offset of the log's very first record; 0 unless it is given. */
  readonly firstOffset?: number
}

/** One partition as this gateway serves it: its window, who listens, and what the broker says of it. */
export class PartitionFeed {
  readonly stream: string
  readonly partition: number
  readonly window: Window
  readonly hub: Hub
  readonly instruments: StreamInstruments
  phase: FeedPhase = 'absent'
  /** What `take` and `leave` of it wait for: one of them at a time. */
  turn: Promise<void> = Promise.resolve()
  /** Everyone who reads this partition, live or not. */
  readonly readers = new Set<FeedReader>()
  /** Readers whose position is ahead of this gateway's head. */
  readonly parked = new Set<FeedReader>()
  /** The offset of the log's very first record. */
  readonly firstOffset: number
  /** Of the stream's name, and of its present incarnation, as in a token. */
  readonly nameHash: number
  incarnationHash: number
  /** How often what was read of the log was no longer to be used: what was read back before is not of it any more. */
  rewrites = 0
  /** The broker's first retained offset and head, as of the last batch; `firstOffset` and 0 before there was one. */
  first: number
  brokerHead = 0
  /** A record that belongs into another partition was passed over since the partitions are as many as they are. */
  misrouted = false
  /** What the broker has and gives nobody yet, as of the last batch; undefined = nothing. */
  blocked: Blocked | undefined
  /** Of a partition that was added while this gateway ran: where those before it stood then, by partition; undefined = it did not read that one. */
  grownFrom: readonly (number | undefined)[] | undefined
  /** Record time of the last record of the batch that is being read, ms; 0 = it had none yet. */
  lastTimeMs = 0
  /** As of the last batch: since when there are records that this gateway has not read, Unix ms; 0 = it has read all. */
  #unreadSinceMs = 0
  /** Where the last batch ended, and since when it stands there though there is more, Unix ms; 0 = there is not. */
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

  /** The token of `offset` as next to be read; its generation is known while the record below is in the window. */
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

  /** A record can't be used: `window`, the feed's or a chunk's, goes on behind it. */
  passed(window: Window, record: RejectedRecord, reason: RejectReason): void {
    this.misrouted ||= reason === 'misrouted'
    window.advance(record.offset + 1, record.generation)
  }

  lost(lost: Lost): void {
    const { from, to, reason } = lost
    // A rewrite is told while the window still knows how far its readers were; a loss once it remembers it for them.
    if (reason !== 'rewritten') this.window.lost(from, to, reason)
    for (const reader of [...this.readers]) reader.lost(lost)
    if (reason !== 'rewritten') return
    this.window.truncate(from)
    this.rewrites++
  }

  /** The stream has more partitions. What was passed over as misrouted may be where it belongs: it is read again by whoever comes for it. */
  regrown(): void {
    if (!this.misrouted) return
    this.misrouted = false
    this.window.forget()
    this.rewrites++
  }

  /**
   * A batch is through. What it left unread is younger than the last record that it had, and in a log that is being caught up
   * with hardly: so that record's time counts. After a batch without records it is since this gateway knows of it.
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

  /** Age of the oldest record that this gateway has not read, ms, as `batchEnd` tells; 0 = there is none. */
  unreadAgeMs(nowMs: number): number {
    return this.#unreadSinceMs === 0 ? 0 : Math.max(0, nowMs - this.#unreadSinceMs)
  }

  /** Why nothing comes though the broker has more, and since when, Unix ms; undefined = it has not, or it comes. */
  standstill(): { readonly what: string; readonly sinceMs: number } | undefined {
    if (this.#stuckSinceMs > 0) {
      const unread = counted(this.brokerHead - this.#next, 'offset')
      return { what: `the broker does not send ${unread} that it has`, sinceMs: this.#stuckSinceMs }
    }
    if (this.blocked === undefined) return undefined
    const { offsets, sinceMs } = this.blocked
    return { what: `an open transaction holds back ${counted(offsets, 'offset')}`, sinceMs }
  }

  /** `Window.doubtfulFrom`, at the log's first offset at least. */
  doubtfulFrom(offset: number, generation: number): number {
    return Math.max(this.firstOffset, this.window.doubtfulFrom(offset, generation))
  }

  /** Nothing of it is kept. Nobody may stand there. */
  leave(): void {
    this.phase = 'absent'
    this.#forget()
  }

  /** The log under this name is another one from here on. */
  restart(incarnation: string): void {
    const readers = [...this.readers]
    // The window forgets the old log, and with it what these stand on.
    const before = readers.map((reader) => reader.destination())
    this.incarnationHash = hashOf(incarnation)
    this.#forget()
    this.grownFrom = undefined
    readers.forEach((reader, i) => {
      reader.recreated(before[i]!)
    })
  }

  /** All that was read of the log, and what the broker said of it. */
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
