import type { Feeds } from '../fanout/feeds.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import { type Asked, type PartitionCount, partitionCount } from '../wire/partition-counts.ts'
import { isSameLog, type Position } from '../wire/token.ts'
import { countsToSend, type StreamCount } from './announced-counts.ts'
import type { PendingGap } from './pending-gap.ts'
import { type Growth, knownCount, resolveStarts, type Start } from './start.ts'
import type { Subscription } from './subscription.ts'

/** A subscription, or all that share a position, until its start is found. */
export interface Starting {
  readonly subscriptions: readonly Subscription[]
  /** Returns the starts; a promise if finding them takes time. */
  find(partitions: readonly PartitionFeed[]): Start[] | Promise<Start[]>
  /** Returns the partitions of the subscriptions, as they are now. */
  wanted(): PartitionFeed[]
  /** Returns whether the subscriptions or their session are gone: nothing more is called. */
  isGone(): boolean
  /** Discards starts that are no longer valid. */
  discard(starts: readonly Start[]): void
  begin(starts: Start[]): void
  failed(error: unknown): void
}

/** Returns a finder of starts by `after`. The broker may have to be asked. */
export function findAfter(
  feeds: Feeds,
  asked: Asked,
  subscriptions: readonly Subscription[],
): (partitions: readonly PartitionFeed[]) => Start[] | Promise<Start[]> {
  return (partitions) => resolveStarts(asked, partitions, growthOf(feeds, subscriptions), feeds)
}

/**
 * Calls `begin`, at once if the starts are known at once. Searches again if the subscriptions
 * want other partitions than `partitions` by the time the starts are found, or if one of the logs
 * was rewritten meanwhile.
 */
export function start(starting: Starting, partitions: readonly PartitionFeed[]): void {
  const starts = starting.find(partitions)
  if (Array.isArray(starts)) {
    starting.begin(starts)
    return
  }
  const rewrites = partitions.map((feed) => feed.rewrites)
  const isAsAsked = (feed: PartitionFeed, i: number) => feed === partitions[i] && feed.rewrites === rewrites[i]
  starts
    .then((resolved) => {
      const isGone = starting.isGone()
      const now = isGone ? [] : starting.wanted()
      if (!isGone && now.length === partitions.length && now.every(isAsAsked)) {
        starting.begin(resolved)
        return
      }
      starting.discard(resolved)
      if (!isGone) start(starting, now)
    })
    .catch((error: unknown) => {
      if (!starting.isGone()) starting.failed(error)
    })
}

function growthOf(feeds: Feeds, subscriptions: readonly Subscription[]): Growth {
  // A token states one count a stream: looked up once a stream, not once a partition.
  const moved = new Map<string, ReadonlySet<number>>()
  const movedOf = ({ stream }: PartitionFeed, count: number) => {
    const known = moved.get(stream) ?? feeds.movedSince(stream, subscriptions, count)
    moved.set(stream, known)
    return known
  }
  return {
    own: subscriptions.length === 1 && feeds.isSpread(subscriptions[0]!),
    count: (feed) => feeds.countOf(feed),
    moved: (feed, count) => movedOf(feed, count).has(feed.partition),
  }
}

/** Returns one count a stream, however many of its partitions are read. */
export function countsOf(feeds: Feeds, starts: readonly Start[], asked: Asked): StreamCount[] {
  const ofEach = new Map(starts.map(({ feed }) => [feed.stream, feed]))
  const stated = asked.kind === 'positions' ? asked.counts : []
  return [...ofEach.values()].map((feed) => {
    const others = stated.filter((count) => count.nameHash === feed.nameHash && !isSameLog(count, feed))
    return {
      feed,
      now: feeds.countOf(feed),
      told: knownCount(feed, stated),
      others: others.map((each) => partitionCount(each, each.count)),
    }
  })
}

const isRepartitioned = ({ reason }: PendingGap): boolean => reason === 'repartitioned'

/**
 * Returns the partition counts to announce to a client with these starts and positions: the
 * present count or, while the client must still be told of new partitions, the count of its
 * token.
 */
export function announcedCounts(
  counts: readonly StreamCount[],
  starts: readonly Start[],
  positions: readonly Position[],
): PartitionCount[] {
  const owed = new Set(starts.filter(({ gaps }) => gaps.some(isRepartitioned)).map(({ feed }) => feed.stream))
  return counts.flatMap(({ feed, now, told, others }) => {
    const count = owed.has(feed.stream) ? told : Math.max(told ?? 0, now)
    const own = count === undefined ? [] : [partitionCount(feed, count)]
    return [...own, ...countsToSend(others, positions)]
  })
}
