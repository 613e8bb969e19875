import type { Feeds } from '../fanout/feeds.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import { type Asked, type PartitionCount, partitionCount } from '../wire/partition-counts.ts'
import { isSameLog, type Position } from '../wire/token.ts'
import { countsToSend, type StreamCount } from './announced-counts.ts'
import type { PendingGap } from './pending-gap.ts'
import { type Growth, knownCount, resolveStarts, type Start } from './start.ts'
import type { Subscription } from './subscription.ts'

/** One subscription, or all that share a position, on its way to where it begins. */
export interface Starting {
  readonly subscriptions: readonly Subscription[]
  /** Where that is; a promise where it takes time to find out. */
  find(partitions: readonly PartitionFeed[]): Start[] | Promise<Start[]>
  /** Their partitions, as they are now. */
  wanted(): PartitionFeed[]
  /** They, or their session, are gone: nothing more is called. */
  isGone(): boolean
  /** They begin elsewhere: what was found is of no use. */
  discard(starts: readonly Start[]): void
  begin(starts: Start[]): void
  failed(error: unknown): void
}

/** Where they begin that ask for it by `after`: the broker may have to be asked. */
export function findAfter(
  feeds: Feeds,
  asked: Asked,
  subscriptions: readonly Subscription[],
): (partitions: readonly PartitionFeed[]) => Start[] | Promise<Start[]> {
  return (partitions) => resolveStarts(asked, partitions, growthOf(feeds, subscriptions), feeds)
}

/**
 * Calls `begin` at once where that is known at once. Where they want other partitions than `partitions` by the time that it is found,
 * or one of their logs has become another one, it is found anew.
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
  // A token says one number for each stream: looked up once, not for each partition.
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

/** What is said of a stream is said once, however many of its partitions are read. */
export function countsOf(feeds: Feeds, starts: readonly Start[], asked: Asked): StreamCount[] {
  const ofEach = new Map(starts.map(({ feed }) => [feed.stream, feed]))
  const said = asked.kind === 'positions' ? asked.counts : []
  return [...ofEach.values()].map((feed) => {
    const others = said.filter((count) => count.nameHash === feed.nameHash && !isSameLog(count, feed))
    return {
      feed,
      now: feeds.countOf(feed),
      told: knownCount(feed, said),
      others: others.map((each) => partitionCount(each, each.count)),
    }
  })
}

const isRepartitioned = ({ reason }: PendingGap): boolean => reason === 'repartitioned'

/**
 * How many partitions a client knows of that begins there, and stands at these positions: as many as there are, unless it is still to be
 * told of some.
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
