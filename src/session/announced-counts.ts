import type { PartitionFeed } from '../fanout/partition-feed.ts'
import { type PartitionCount, partitionCount } from '../wire/partition-counts.ts'
import { isSameLog, type Log, type Position } from '../wire/token.ts'

/** Of a stream that is read: what is there, and what its client says that it was told of. */
export interface StreamCount {
  readonly feed: PartitionFeed
  readonly now: number
  /** Of the feed's log; undefined = it does not say. */
  readonly told: number | undefined
  /** Of other logs of the stream. */
  readonly others: readonly PartitionCount[]
}

interface Known {
  readonly stream: string
  readonly log: Log
  readonly now: number
  readonly told: number | undefined
}

/**
 * How many partitions each stream of a session has, and of how many of a log its client has been told: of all once nothing is owed. Only
 * where all subscriptions share one position, over SSE and poll.
 */
export class AnnouncedCounts {
  /** One a stream: a list, for most sessions read one. */
  readonly #known: Known[] = []
  /** Of other logs of these streams, as long as its client stands there: until it is told of the present ones. */
  #others: readonly PartitionCount[] = []

  /** A stream that is read from now on: what its client must be told of is owed by now. */
  begin({ feed, now, told, others }: StreamCount): void {
    this.#others = [...this.#others, ...others]
    this.#set(feed, now, told)
  }

  /** The feed's stream has so many partitions, of which its client may not know yet. */
  grew(feed: PartitionFeed, now: number): void {
    if (this.#find(feed) !== undefined) this.#set(feed, now, this.of(feed))
  }

  /** How many partitions of the feed's log its client has been told of; undefined = that is not known. */
  of(feed: PartitionFeed): number | undefined {
    const known = this.#find(feed)
    return known !== undefined && isSameLog(known.log, feed) ? known.told : undefined
  }

  /** Tokens say counts of other logs as well. */
  get hasOthers(): boolean {
    return this.#others.length > 0
  }

  /** What the client is told now, by a token with these positions: a gateway is to hold them against that number. */
  say(feeds: Iterable<PartitionFeed>, owed: 'nothing' | 'something', positions: readonly Position[]): PartitionCount[] {
    const said: PartitionCount[] = []
    for (const feed of feeds) {
      const known = this.#find(feed)
      if (known === undefined) continue
      if (!isSameLog(known.log, feed)) this.#set(feed, known.now, undefined)
      const before = this.of(feed)
      // Another gateway may have told it of more.
      const told = owed === 'something' ? before : Math.max(known.now, before ?? 0)
      if (told === undefined) continue
      if (told !== before) this.#set(feed, known.now, told)
      if (!said.some((each) => isSameLog(each, feed))) said.push(partitionCount(feed, told, { isRead: true }))
    }
    if (this.#others.length > 0) this.#others = countsToSend(this.#others, positions)
    return [...said, ...this.#others]
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

/** Counts of logs in which its client stands: without them a gateway takes each position there for that of every subscription. */
export const countsToSend = (counts: readonly PartitionCount[], positions: readonly Position[]): PartitionCount[] =>
  counts.filter((count) => positions.some((position) => isSameLog(position, count)))
