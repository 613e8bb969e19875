import { unknownGeneration } from '../base/generation.ts'
import type { PartitionFeed } from '../fanout/partition-feed.ts'
import { type Asked, type PartitionCount, partitionCount, saysNothing, type Token } from '../wire/partition-counts.ts'
import { isSameLog, type Log, type Position } from '../wire/token.ts'
import { knowledgeOf, type StreamKnowledge } from './knowledge.ts'
import type { PendingGap } from './pending-gap.ts'

/** Below `until`, a reader gives these offsets and no others. */
export interface Only {
  readonly until: number
  readonly offsets: ReadonlySet<number>
  /** What its session has taken for them. */
  readonly bytes: number
}

/** Where a subscription starts in one partition, and what it must be told first, in order. */
export interface Start {
  readonly feed: PartitionFeed
  readonly offset: number
  readonly gaps: readonly PendingGap[]
  /** Of what is behind, these only. */
  readonly only?: Only
  /** Of the log below, as the client's token has it; absent = unknown, as `unknownGeneration`. */
  readonly generation?: number
}

/** How many partitions a stream has, and where the subjects that are asked for were when it had fewer. */
export interface Growth {
  /**
   * Positions are of one pattern, or one subject that is in all partitions, which has one in each that it was told of; of other subjects
   * one may be another's.
   */
  readonly own: boolean
  count(feed: PartitionFeed): number
  /** Whether one of them came into this partition since its stream had `count` partitions. */
  moved(feed: PartitionFeed, count: number): boolean
}

/** The broker's answers that `earliest` and `@time` need. */
export interface OffsetLookup {
  first(feed: PartitionFeed): Promise<number>
  atTime(feed: PartitionFeed, timeMs: number): Promise<number>
}

/** Start offsets for the feeds of one subscription; a promise only where the broker must be asked. */
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

/** What a token says that none of the feeds answers for: carried through to the session's own tokens. */
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

/** How many partitions of the feed's log a token knows of; undefined = it does not say. */
export function knownCount(feed: PartitionFeed, counts: readonly PartitionCount[]): number | undefined {
  return counts.find((count) => isSameLog(count, feed))?.count
}

/** Where a start without a gap is: ahead of this gateway the token knows better than the window what lies below. */
export function startPosition({ feed, offset, generation = unknownGeneration }: Start): Position {
  const position = feed.positionAt(offset)
  return position.generation === unknownGeneration ? { ...position, generation } : position
}

/** In what the gateway reads next. */
export const atHead = (feed: PartitionFeed): Start => plain(feed, feed.window.head)

const plain = (feed: PartitionFeed, offset: number): Start => ({ feed, offset, gaps: [] })

/** Holds what a token says of this partition against the log that this gateway reads. */
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

/** What is known of a subscription that is live and comes into another partition. */
export interface Arrival {
  /** Where its client's token stood, in partitions that it does not read. */
  readonly carried: readonly Position[]
  /** Where it stood in the partition that it leaves; undefined = it leaves none. */
  readonly stood: Position | undefined
  /** How many partitions all who share the token know of; Infinity where it is of this subscription alone. */
  readonly count: number
}

/**
 * Where it goes on: where its client's token stood, else from the beginning where it comes out of a log that is gone, else at the head.
 */
export function arrivingStart(feed: PartitionFeed, { carried, stood, count }: Arrival): Start {
  const inPartition = carried.filter((position) => position.partition === feed.partition)
  const isGone = stood !== undefined && !isSameLog(stood, feed)
  return movedInto(feed, knownHere(feed, inPartition) ?? (isGone ? inPartitionOf(feed, stood) : undefined), count)
}

/**
 * Some of the subjects are in this partition since the token was given: a new one is read from its beginning, also where another subject
 * stands in it, and one that was there before from its head or where that one stands.
 */
function movedInto(feed: PartitionFeed, known: Position | undefined, count: number): Start {
  const told = known === undefined ? atHead(feed) : judgeKnown(feed, known)
  const { first } = feed
  // Who stands below is told of what is gone as well.
  const isNew = feed.partition >= count
  const offset = isNew ? Math.min(first, known === undefined ? first : told.offset) : told.offset
  // Until it is told, a token names the place that the gap before it leads back to.
  const before = told.gaps.length === 0 ? known : startPosition(told)
  const gaps = [...told.gaps, gapAt('repartitioned', offset, undefined, before)]
  // What lies below another offset is of a generation that the token does not say.
  return offset === told.offset ? { ...told, gaps } : { feed, offset, gaps }
}

/** What a token says of the feed's partition: of its present incarnation, else of an earlier one. */
function knownHere(feed: PartitionFeed, inPartition: readonly Position[]): Position | undefined {
  return (
    inPartition.find((position) => isSameLog(position, feed)) ??
    inPartition.find(({ nameHash }) => nameHash === feed.nameHash)
  )
}

/** The incarnation comes first: offsets and generations of another log say nothing of this one. */
function judgeKnown(feed: PartitionFeed, known: Position): Start {
  return isSameLog(known, feed) ? judgeGeneration(feed, known) : recreatedStart(feed, known)
}

/** The beginning of the feed's partition in that log. */
const inPartitionOf = ({ partition, firstOffset }: PartitionFeed, { nameHash, incarnationHash }: Log): Position => ({
  nameHash,
  incarnationHash,
  partition,
  offset: firstOffset,
  generation: unknownGeneration,
})

/** A token agrees with this log up to where another history begins. */
function judgeGeneration(feed: PartitionFeed, position: Position): Start {
  const { generation } = position
  const offset = Math.max(position.offset, feed.firstOffset)
  const agreed = generation === unknownGeneration ? offset : feed.window.divergence(offset, generation)
  // One that is ahead of this gateway is judged again, by what comes meanwhile.
  if (agreed >= offset) return { ...plain(feed, offset), generation }
  const gap = gapAt('rewritten', feed.doubtfulFrom(agreed, generation), offset - 1, position)
  return { feed, offset: agreed, gaps: [gap] }
}

/** The log of that token is gone; of the new one the client has seen nothing. */
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
