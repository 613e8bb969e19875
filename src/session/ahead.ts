import type { Clock } from '../base/clock.ts'
import type { Feeds } from '../fanout/feeds.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import type { Reader } from './reader.ts'

/** How long a position may be ahead before the broker is asked, and between two questions, ms. */
const checkMs = 1000

/**
 * Readers whose position is ahead of this gateway's head. Usually another gateway was quicker and the tail catches up by
 * itself; where the broker says twice that its log ends below, the log was cut back, and the client is told.
 */
export class AheadWatch {
  readonly #feeds: Feeds
  readonly #clock: Clock
  readonly #watched = new Set<PartitionFeed>()

  constructor(feeds: Feeds, clock: Clock) {
    this.#feeds = feeds
    this.#clock = clock
  }

  watch(reader: Reader): void {
    const { feed } = reader
    if (this.#watched.has(feed)) return
    this.#watched.add(feed)
    this.#clock.after(checkMs, () => void this.#check(feed, undefined))
  }

  async #check(feed: PartitionFeed, seenBefore: number | undefined): Promise<void> {
    if (feed.parked.size === 0) {
      this.#watched.delete(feed)
      return
    }
    const end = await this.#feeds.brokerHead(feed).catch(() => undefined)
    if (end !== undefined && seenBefore !== undefined) {
      for (const reader of [...feed.parked]) reader.cutBackTo(Math.max(end, seenBefore))
    }
    this.#clock.after(checkMs, () => void this.#check(feed, end))
  }
}
