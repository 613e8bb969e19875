import type { PartitionFeed } from '../fanout/partition-feed.ts'
import type { Token } from '../wire/partition-counts.ts'
import { isSameLog, type Log, type Position } from '../wire/token.ts'

/**
 * What a token says of one stream, looked up once for all of its partitions: a token may have 1024 positions, whatever the partitions,
 * and a stream as many of them, so that each must not look through all of the other.
 */
export class StreamKnowledge {
  /** How many partitions of the present log it knows of; undefined = it does not say. */
  readonly count: number | undefined
  /**
   * Where it stands in an earlier log, if it was given before the new one was told in each partition: it does not say how many
   * partitions that has then.
   */
  readonly earlier: Log | undefined
  /** Positions in the present log. */
  readonly #present: readonly Position[]
  readonly #byPartition = new Map<number, Position>()
  /** By `grownFrom`, which partitions that were added together have in common. */
  readonly #isOlder = new Map<readonly (number | undefined)[], boolean>()
  #highest = -1
  #isElsewhere = false

  /** The token is what is said of the stream, in any incarnation, `log` is the present one, and `partitions` are those that are asked for. */
  constructor(log: Log, { positions, counts }: Token, partitions: ReadonlySet<number>) {
    const isEarlier = (said: Log) => !isSameLog(said, log)
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

  /** Its position in a partition: of the present log, else of an earlier one. */
  at(partition: number): Position | undefined {
    return this.#byPartition.get(partition)
  }

  /** Whether it names other partitions of the log, and was given before this one was added. */
  isOlder({ grownFrom }: PartitionFeed): boolean {
    if (grownFrom === undefined) return false
    const known = this.#isOlder.get(grownFrom) ?? this.#isFrom(grownFrom)
    this.#isOlder.set(grownFrom, known)
    return known
  }

  /**
   * Whether subjects may have come into an empty partition from others since the token was given, where that does not know of as many
   * partitions as there are: it says another number, or names none above this one, or one that is none of theirs any more.
   */
  mayBeNew({ partition }: PartitionFeed): boolean {
    return this.count !== undefined || (this.#highest >= 0 && (this.#highest < partition || this.#isElsewhere))
  }

  #isFrom(grownFrom: readonly (number | undefined)[]): boolean {
    // Those that were added with it say nothing: their clients may have been told of some and not of others yet. Nor do those that this
    // gateway did not read then.
    const before = this.#present.filter(({ partition }) => grownFrom[partition] !== undefined)
    return before.length > 0 && before.every(({ partition, offset }) => offset <= grownFrom[partition]!)
  }
}

/** What a token says of each stream of the feeds, by `nameHash`. */
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
    const said = { positions: positionsOf.get(nameHash) ?? [], counts: countsOf.get(nameHash) ?? [] }
    known.set(nameHash, new StreamKnowledge(partitions[0]!, said, asked))
  }
  return known
}
