import type { PartitionFeed } from '../fanout/partition-feed.ts'
import type { Token } from '../wire/partition-counts.ts'
import { isSameLog, type Log, type Position } from '../wire/token.ts'

/**
 * The positions and the count that a token states for one stream, indexed once for all of its
 * partitions. A token may have 1024 positions whatever the partitions, and a stream as many
 * partitions: a search for each partition would be quadratic.
 */
export class StreamKnowledge {
  /** Partitions of the present log that the token knows of; undefined = it states no count. */
  readonly count: number | undefined
  /**
   * The earlier log that it refers to, if it was issued before the client was told of the present
   * log in each partition. Such a token states no count for the present log.
   */
  readonly earlier: Log | undefined
  /** Positions in the present log. */
  readonly #present: readonly Position[]
  readonly #byPartition = new Map<number, Position>()
  /** Answers by `grownFrom`, which partitions that were added together share. */
  readonly #isOlder = new Map<readonly (number | undefined)[], boolean>()
  #highest = -1
  #isElsewhere = false

  /**
   * The token holds the positions and counts of the stream, in any incarnation. `log` is the
   * present incarnation. `partitions` are those that the subscriptions read.
   */
  constructor(log: Log, { positions, counts }: Token, partitions: ReadonlySet<number>) {
    const isEarlier = (other: Log) => !isSameLog(other, log)
    this.#present = positions.filter((position) => isSameLog(position, log))
    this.count = counts.find((count) => isSameLog(count, log))?.count
    this.earlier = this.count === undefined ? (positions.find(isEarlier) ?? counts.find(isEarlier)) : undefined
    for (const position of positions) {
      const { partition } = position
      this.#highest = Math.max(this.#highest, partition)
      this.#isElsewhere ||= !partitions.has(partition)
      if (!this.#byPartition.has(partition)) this.#byPartition.set(partition, position)
    }
    for (const position of this.#present) this.#byPartition.set(position.partition, position)
  }

  /** Returns its position in a partition: in the present log, else in an earlier one. */
  at(partition: number): Position | undefined {
    return this.#byPartition.get(partition)
  }

  /**
   * Returns whether it names other partitions of the log and was issued before this one was
   * added.
   */
  isOlder({ grownFrom }: PartitionFeed): boolean {
    if (grownFrom === undefined) return false
    const known = this.#isOlder.get(grownFrom) ?? this.#isFrom(grownFrom)
    this.#isOlder.set(grownFrom, known)
    return known
  }

  /**
   * Returns whether subjects may have moved into this empty partition since the token was issued.
   * The caller has excluded tokens with the present partition count. The token may miss the move
   * if it states another count, if it names no partition above this one, or if it names a
   * partition that the subjects no longer use.
   */
  mayBeNew({ partition }: PartitionFeed): boolean {
    return this.count !== undefined || (this.#highest >= 0 && (this.#highest < partition || this.#isElsewhere))
  }

  #isFrom(grownFrom: readonly (number | undefined)[]): boolean {
    // Partitions that were added together say nothing: a client may have been told of only some
    // of them. Partitions that this gateway did not read at the time say nothing either.
    const before = this.#present.filter(({ partition }) => grownFrom[partition] !== undefined)
    return before.length > 0 && before.every(({ partition, offset }) => offset <= grownFrom[partition]!)
  }
}

/** Returns what a token states for each stream of the feeds, by `nameHash`. */
export function knowledgeOf(
  { positions, counts }: Token,
  feeds: readonly PartitionFeed[],
): ReadonlyMap<number, StreamKnowledge> {
  const positionsOf = Map.groupBy(positions, ({ nameHash }) => nameHash)
  const countsOf = Map.groupBy(counts, ({ nameHash }) => nameHash)
  const wanted = Map.groupBy(feeds, ({ nameHash }) => nameHash)
  const known = new Map<number, StreamKnowledge>()
  for (const [nameHash, partitions] of wanted) {
    const asked = new Set(partitions.map(({ partition }) => partition))
    const statements = { positions: positionsOf.get(nameHash) ?? [], counts: countsOf.get(nameHash) ?? [] }
    known.set(nameHash, new StreamKnowledge(partitions[0]!, statements, asked))
  }
  return known
}
