import type { PartitionFeed } from '../fanout/partition-feed.ts'
import { type PartitionCount, partitionCount } from '../wire/partition-counts.ts'
import { isSameLog, type Log, type Position } from '../wire/token.ts'

/**
 * Partition count of a stream that a session reads, and the count that the client's token states.
 */
export interface StreamCount {
  readonly feed: PartitionFeed
  readonly now: number
  /** Count that the token states for the feed's log; undefined = none. */
  readonly told: number | undefined
  /** Counts that the token states for other logs of the stream. */
  readonly others: readonly PartitionCount[]
}

interface Known {
  readonly stream: string
  readonly log: Log
  readonly now: number
  readonly told: number | undefined
}

/**
 * Partition count of each stream that a session reads, and the count announced to its client: the
 * full count once no gap is pending. Used over SSE and long-poll only, where all subscriptions
 * share one position.
 */
export class AnnouncedCounts {
  /** One entry a stream. A list, because most sessions read one stream. */
  readonly #known: Known[] = []
  /**
   * Counts of other logs of these streams, kept while the client has a position there: until it
   * has been told of the present logs.
   */
  #others: readonly PartitionCount[] = []

  /**
   * Adds a stream that the session reads from now on. The gaps that the client must get are
   * already pending.
   */
  begin({ feed, now, told, others }: StreamCount): void {
    this.#others = [...this.#others, ...others]
    this.#set(feed, now, told)
  }

  /**
   * Records that the feed's stream has `now` partitions. The client may not know of all of them
   * yet.
   */
  grew(feed: PartitionFeed, now: number): void {
    if (this.#find(feed) !== undefined) this.#set(feed, now, this.of(feed))
  }

  /** Returns how many partitions of the feed's log the client knows of; undefined = unknown. */
  of(feed: PartitionFeed): number | undefined {
    const known = this.#find(feed)
    return known !== undefined && isSameLog(known.log, feed) ? known.told : undefined
  }

  /** Whether tokens also state counts of other logs. */
  get hasOthers(): boolean {
    return this.#others.length > 0
  }

  /**
   * Returns the counts for a token with these positions, and records them as announced. A gateway
   * that gets the token checks the positions against them.
   */
  say(feeds: Iterable<PartitionFeed>, owed: 'nothing' | 'something', positions: readonly Position[]): PartitionCount[] {
    const counts: PartitionCount[] = []
    for (const feed of feeds) {
      const known = this.#find(feed)
      if (known === undefined) continue
      if (!isSameLog(known.log, feed)) this.#set(feed, known.now, undefined)
      const before = this.of(feed)
      // Another gateway may have announced more.
      const told = owed === 'something' ? before : Math.max(known.now, before ?? 0)
      if (told === undefined) continue
      if (told !== before) this.#set(feed, known.now, told)
      if (!counts.some((each) => isSameLog(each, feed))) counts.push(partitionCount(feed, told, { isRead: true }))
    }
    if (this.#others.length > 0) this.#others = countsToSend(this.#others, positions)
    return [...counts, ...this.#others]
  }

  #set(feed: PartitionFeed, now: number, told: number | undefined): void {
    const { stream, nameHash, incarnationHash } = feed
    const at = this.#known.findIndex((each) => each.stream === stream)
    const before = this.#known[at]
    if (before?.told !== undefined && !isSameLog(before.log, feed)) {
      this.#others = [...this.#others, partitionCount(before.log, before.told)]
    }
    const own = this.#others.find((each) => isSameLog(each, feed))
    if (own !== undefined) this.#others = this.#others.filter((each) => each !== own)
    const log = { nameHash, incarnationHash }
    this.#known[at < 0 ? this.#known.length : at] = { stream, log, now, told: told ?? own?.count }
  }

  #find({ stream }: PartitionFeed): Known | undefined {
    return this.#known.find((each) => each.stream === stream)
  }
}

/**
 * Returns the counts of logs in which the client has a position. Without a count, a gateway takes
 * each position there for the position of every subscription.
 */
export const countsToSend = (counts: readonly PartitionCount[], positions: readonly Position[]): PartitionCount[] =>
  counts.filter((count) => positions.some((position) => isSameLog(position, count)))
