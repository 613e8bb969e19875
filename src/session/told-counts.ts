import type { PartitionFeed } from '../fanout/partition-feed.ts'
import { type PartitionCount, partitionCount } from '../wire/partition-counts.ts'
import { isSameLog, type Log } from '../wire/token.ts'

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
export class ToldCounts {
  /** One a stream: a list, for most sessions read one. */
  readonly #known: Known[] = []

  /** The feed's stream has so many partitions: what its client must be told of that is owed by now. */
  set({ stream, nameHash, incarnationHash }: PartitionFeed, now: number, told: number | undefined): void {
    const at = this.#known.findIndex((each) => each.stream === stream)
    this.#known[at < 0 ? this.#known.length : at] = { stream, log: { nameHash, incarnationHash }, now, told }
  }

  /** The same, of a client that may not know it yet. */
  grew(feed: PartitionFeed, now: number): void {
    if (this.#find(feed) !== undefined) this.set(feed, now, this.of(feed))
  }

  /** How many partitions of the feed's log its client has been told of; undefined = that is not known. */
  of(feed: PartitionFeed): number | undefined {
    const known = this.#find(feed)
    return known !== undefined && isSameLog(known.log, feed) ? known.told : undefined
  }

  /** What the client is told now, by a token: a gateway is to hold it against that number. */
  say(feeds: Iterable<PartitionFeed>, owed: 'nothing' | 'something'): PartitionCount[] {
    const said: PartitionCount[] = []
    for (const feed of feeds) {
      const known = this.#find(feed)
      if (known === undefined) continue
      const before = this.of(feed)
      // Another gateway may have told it of more.
      const told = owed === 'something' ? before : Math.max(known.now, before ?? 0)
      if (told === undefined) continue
      if (told !== before) this.set(feed, known.now, told)
      if (!said.some((each) => isSameLog(each, feed))) said.push(partitionCount(feed, told, { isRead: true }))
    }
    return said
  }

  #find({ stream }: PartitionFeed): Known | undefined {
    return this.#known.find((each) => each.stream === stream)
  }
}
