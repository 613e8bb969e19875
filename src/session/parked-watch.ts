import type { Clock } from '../base/clock.ts'
import type { Feeds } from '../fanout/feeds.ts'
import type { FeedReader, PartitionFeed } from '../fanout/partition-feed.ts'
import type { Reader } from './reader.ts'

/** How long a position may be ahead before the broker is asked, and between two questions, ms. */
const checkMs = 1000

/**
 * Readers whose position is ahead of this gateway's head. Usually another gateway was quicker and the tail catches up by
 * itself; where the broker says twice that its log ends below, the log was cut back, and the client is told.
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

  /** Only who was ahead before both questions is judged by their answers. */
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
