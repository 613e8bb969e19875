import { unknownGeneration } from '../base/generation.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import { type Asked, type PartitionCount, partitionCount, saysNothing, type Token } from '../wire/partition-counts.ts'
import { isSameLog, type Log, type Position } from '../wire/token.ts'
import { knowledgeOf, type StreamKnowledge } from './knowledge.ts'
import type { PendingGap } from './pending-gap.ts'

/** Below `until`, a reader delivers these offsets and no others. */
export interface Only {
  readonly until: number
  readonly offsets: ReadonlySet<number>
  /** Bytes charged to the session for them. */
  readonly bytes: number
}

/** Start of a subscription in one partition, and the gaps to send first, in order. */
export interface Start {
  readonly feed: PartitionFeed
  readonly offset: number
  readonly gaps: readonly PendingGap[]
  /** Restricts the records below its `until`. */
  readonly only?: Only
  /**
   * Generation of the log right below `offset`, from the client's token; absent = unknown, as
   * `unknownGeneration`.
   */
  readonly generation?: number
}

/**
 * Partition count of each stream, and where the requested subjects were when the stream had
 * fewer.
 */
export interface Growth {
  /**
   * Whether each position belongs to the subscription itself: it is alone, and is a pattern or a
   * subject in all partitions, so that its token has a position in each partition it was told of.
   * Otherwise a position may be another subject's.
   */
  readonly own: boolean
  count(feed: PartitionFeed): number
  /**
   * Returns whether one of the subjects moved into this partition since its stream had `count`
   * partitions.
   */
  moved(feed: PartitionFeed, count: number): boolean
}

/** Broker lookups for `earliest` and `@time`. */
export interface OffsetLookup {
  first(feed: PartitionFeed): Promise<number>
  atTime(feed: PartitionFeed, timeMs: number): Promise<number>
}

/**
 * Returns the starts for the feeds of one subscription; a promise only if the broker must be
 * asked.
 */
export function resolveStarts(
  after: Asked,
  feeds: readonly PartitionFeed[],
  growth: Growth,
  lookup: OffsetLookup,
): Start[] | Promise<Start[]> {
  switch (after.kind) {
    case 'latest':
      return feeds.map(atHead)
    case 'positions': {
      const knowledge = knowledgeOf(after, feeds)
      return feeds.map((feed) => judge(feed, knowledge.get(feed.nameHash)!, growth))
    }
    case 'earliest':
      return Promise.all(feeds.map(async (feed) => plain(feed, await lookup.first(feed))))
    case 'time':
      return Promise.all(feeds.map(async (feed) => plain(feed, await lookup.atTime(feed, after.timeMs))))
  }
}

/**
 * Returns the positions and counts of a token that concern none of the feeds. The session's own
 * tokens carry them on.
 */
export function carriedBy(after: Asked, feeds: readonly PartitionFeed[]): Token {
  if (after.kind !== 'positions') return saysNothing
  const answered = new Map<number, Set<number>>()
  for (const { nameHash, partition } of feeds) {
    const partitions = answered.get(nameHash)
    if (partitions === undefined) answered.set(nameHash, new Set([partition]))
    else partitions.add(partition)
  }
  return {
    positions: after.positions.filter(({ nameHash, partition }) => answered.get(nameHash)?.has(partition) !== true),
    counts: after.counts
      .filter(({ nameHash }) => !answered.has(nameHash))
      .map((each) => partitionCount(each, each.count)),
  }
}

/** Returns the partition count that a token states for the feed's log; undefined = none. */
export function knownCount(feed: PartitionFeed, counts: readonly PartitionCount[]): number | undefined {
  return counts.find((count) => isSameLog(count, feed))?.count
}

/**
 * Returns the position of a start without gaps. Ahead of this gateway's head the generation is
 * the token's, because the window does not know it.
 */
export function startPosition({ feed, offset, generation = unknownGeneration }: Start): Position {
  const position = feed.positionAt(offset)
  return position.generation === unknownGeneration ? { ...position, generation } : position
}

/** Starts at the head, with the record that the gateway reads next. */
export const atHead = (feed: PartitionFeed): Start => plain(feed, feed.window.head)

const plain = (feed: PartitionFeed, offset: number): Start => ({ feed, offset, gaps: [] })

/** Checks what a token states for this partition against the log that this gateway reads. */
function judge(feed: PartitionFeed, token: StreamKnowledge, growth: Growth): Start {
  const known = token.at(feed.partition)
  const { count, earlier } = token
  const isOwn = known !== undefined && isSameLog(known, feed) && growth.own
  if (!isOwn && count !== undefined && count < growth.count(feed) && growth.moved(feed, count)) {
    return movedInto(feed, known, count)
  }
  if (known !== undefined) return judgeKnown(feed, known)
  const { firstOffset, window } = feed
  const { head } = window
  if (count === growth.count(feed)) return unnamed(feed)
  if (token.isOlder(feed)) return repartitioned(feed)
  if (earlier !== undefined) return recreatedStart(feed, inPartitionOf(feed, earlier))
  return head <= firstOffset && token.mayBeNew(feed) ? repartitioned(feed) : unnamed(feed)
}

function repartitioned(feed: PartitionFeed): Start {
  const { first } = feed
  return { feed, offset: first, gaps: [gapAt('repartitioned', first, undefined, undefined)] }
}

function unnamed(feed: PartitionFeed): Start {
  const { firstOffset } = feed
  const { head } = feed.window
  if (head <= firstOffset) return plain(feed, head)
  return { feed, offset: head, gaps: [gapAt('unnamed', firstOffset, head - 1, undefined)] }
}

/** A live subscription that moves into another partition. */
export interface Arrival {
  /** Positions of its client's token in partitions that it does not read. */
  readonly carried: readonly Position[]
  /** Its position in the partition that it leaves; undefined = it leaves none. */
  readonly stood: Position | undefined
  /**
   * Partition count known to all subscriptions that share the token; Infinity = the token is of
   * this subscription alone.
   */
  readonly count: number
}

/**
 * Returns where it continues: at its client's token, else at the beginning if it comes from a log
 * that is gone, else at the head.
 */
export function arrivingStart(feed: PartitionFeed, { carried, stood, count }: Arrival): Start {
  const inPartition = carried.filter((position) => position.partition === feed.partition)
  const isGone = stood !== undefined && !isSameLog(stood, feed)
  return movedInto(feed, knownHere(feed, inPartition) ?? (isGone ? inPartitionOf(feed, stood) : undefined), count)
}

/**
 * Starts in a partition that some of the subjects moved into since the token was issued. A new
 * partition is read from its beginning, even if another subject has a position in it. An older
 * partition is read from the head, or from the position known there.
 */
function movedInto(feed: PartitionFeed, known: Position | undefined, count: number): Start {
  const start = known === undefined ? atHead(feed) : judgeKnown(feed, known)
  const { first } = feed
  // A position below `first` is kept: its client must also learn what retention took.
  const isNew = feed.partition >= count
  const offset = isNew ? Math.min(first, known === undefined ? first : start.offset) : start.offset
  // Until this gap is sent, a token names the position that the gap before it leads back to.
  const before = start.gaps.length === 0 ? known : startPosition(start)
  const gaps = [...start.gaps, gapAt('repartitioned', offset, undefined, before)]
  // At another offset the token's generation does not apply.
  return offset === start.offset ? { ...start, gaps } : { feed, offset, gaps }
}

/**
 * Returns a token's position in the feed's partition: in the present incarnation, else in an
 * earlier one.
 */
function knownHere(feed: PartitionFeed, inPartition: readonly Position[]): Position | undefined {
  return (
    inPartition.find((position) => isSameLog(position, feed)) ??
    inPartition.find(({ nameHash }) => nameHash === feed.nameHash)
  )
}

/**
 * Checks the incarnation first: offsets and generations of another log mean nothing in this one.
 */
function judgeKnown(feed: PartitionFeed, known: Position): Start {
  return isSameLog(known, feed) ? judgeGeneration(feed, known) : recreatedStart(feed, known)
}

/** Returns the beginning of the feed's partition in that log. */
const inPartitionOf = ({ partition, firstOffset }: PartitionFeed, { nameHash, incarnationHash }: Log): Position => ({
  nameHash,
  incarnationHash,
  partition,
  offset: firstOffset,
  generation: unknownGeneration,
})

/** Starts at the highest offset up to which the token and this log agree. */
function judgeGeneration(feed: PartitionFeed, position: Position): Start {
  const { generation } = position
  const offset = Math.max(position.offset, feed.firstOffset)
  const agreed = generation === unknownGeneration ? offset : feed.window.divergence(offset, generation)
  // A position ahead of this gateway is checked again as records arrive.
  if (agreed >= offset) return { ...plain(feed, offset), generation }
  const gap = gapAt('rewritten', feed.doubtfulFrom(agreed, generation), offset - 1, position)
  return { feed, offset: agreed, gaps: [gap] }
}

/**
 * Starts at the beginning: the log of that token is gone, and the client has received nothing of
 * the new one.
 */
function recreatedStart(feed: PartitionFeed, position: Position): Start {
  return { feed, offset: feed.first, gaps: [gapAt('recreated', position.offset, undefined, position)] }
}

function gapAt(
  reason: PendingGap['reason'],
  from: number,
  to: number | undefined,
  before: Position | undefined,
): PendingGap {
  return { from, to, reason, certain: false, before }
}
