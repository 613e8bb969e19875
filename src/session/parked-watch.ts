import type { Clock } from '../base/clock.ts'
import type { Feeds } from '../fanout/feeds.ts'
import type { FeedReader, PartitionFeed } from '../fanout/partition-feed.ts'
import type { Reader } from './reader.ts'

/**
 * Time that a position may be ahead before the broker is asked, and interval between two queries,
 * ms.
 */
const checkMs = 1000

/**
 * Watches readers whose position is ahead of this gateway's head. Usually another gateway was
 * faster, and the tail catches up by itself. If the broker reports twice that its log ends below
 * the position, the log was truncated, and the reader sends a gap.
 */
export class ParkedWatch {
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

  /**
   * Applies the answers of two consecutive queries only to readers that were ahead before both.
   */
  async #check(
    feed: PartitionFeed,
    before: { end: number; asked: ReadonlySet<FeedReader> } | undefined,
  ): Promise<void> {
    if (feed.parked.size === 0) {
      this.#watched.delete(feed)
      return
    }
    const asked = new Set(feed.parked)
    const end = await this.#feeds.brokerHead(feed).catch(() => undefined)
    if (end !== undefined && before !== undefined) {
      for (const reader of asked) {
        if (before.asked.has(reader) && feed.parked.has(reader)) reader.cutBackTo(Math.max(end, before.end))
      }
    }
    const seen = end === undefined ? undefined : { end, asked }
    this.#clock.after(checkMs, () => void this.#check(feed, seen))
  }
}
