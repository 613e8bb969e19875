import { decodeSaid, encodeSaid, type PartitionCount, type Token } from '../wire/partition-counts.ts'
import { hashOf, isSameLog, isSamePartition, keyOf, type Log, type Position } from '../wire/token.ts'

/** A change of a resume point. Absent fields change nothing. */
export interface PositionChange extends Partial<Token> {
  /**
   * `all`: replaces all positions. `on`: advances; no position moves back. `to`: sets positions,
   * also back, and drops those in earlier incarnations of the same partition (a gap).
   */
  readonly how: 'all' | 'on' | 'to'
}

/**
 * Whether two positions of one partition can't belong to the same history: in a log, generations
 * rise with offsets. -1 = unknown generation, which contradicts nothing.
 */
export function contradict(a: Position, b: Position): boolean {
  if (a.generation < 0 || b.generation < 0) return false
  if (a.offset === b.offset) return a.generation !== b.generation
  return a.offset < b.offset ? a.generation > b.generation : a.generation < b.generation
}

/**
 * Whether a position is ahead of `own`, or adds the generation at the same offset. A gateway may
 * not know the generation.
 */
export const isOn = (own: Position | undefined, { offset, generation }: Position): boolean =>
  own === undefined || own.offset < offset || (own.offset === offset && generation >= 0)

/** Whether a count exceeds `own`, or equals it and comes from a gateway that reads the log. */
export const saysMore = (own: PartitionCount | undefined, { count, isRead }: PartitionCount): boolean =>
  own === undefined || own.count < count || (own.count === count && isRead)

/**
 * The point from which a subscription resumes: one position for each partition of each stream, and
 * the number of partitions known of each stream.
 */
export class ResumePoint {
  readonly #positions = new Map<string, Position>()
  /** One count for each log. */
  counts: readonly PartitionCount[] = []

  get size(): number {
    return this.#positions.size
  }

  get positions(): Position[] {
    return [...this.#positions.values()]
  }

  /** `after` of a request that resumes here; undefined while no position is known. */
  get token(): string | undefined {
    return this.#positions.size === 0 ? undefined : encodeSaid(this.positions, this.counts)
  }

  /** Returns the position in the same incarnation and partition. */
  at(position: Position): Position | undefined {
    return this.#positions.get(keyOf(position))
  }

  /**
   * Returns the position in a partition of a stream known by name only; undefined if there is
   * none, or one in each of several incarnations.
   */
  named(stream: string, partition: number): Position | undefined {
    const named = { nameHash: hashOf(stream), partition }
    const found = this.positions.filter((each) => isSamePartition(each, named))
    return found.length === 1 ? found[0] : undefined
  }

  move({ how, positions = [], counts = [] }: PositionChange): void {
    let moved = positions
    if (how === 'all') {
      moved = positions.map((position) => this.#keepGeneration(position))
      this.#positions.clear()
      this.counts = []
    }
    for (const position of moved) {
      if (how === 'to') this.#forget(position)
      if (how !== 'on' || isOn(this.at(position), position)) this.#positions.set(keyOf(position), position)
    }
    for (const count of counts) this.#count(count)
  }

  /** Replaces this resume point by the other one. */
  moveTo({ positions, counts }: ResumePoint): void {
    this.move({ how: 'all', positions, counts })
  }

  /**
   * Records a count of an incarnation in which there is a position. Counts never decrease. The
   * counts of older incarnations stay valid until the new incarnation has its own count.
   */
  #count(said: PartitionCount): void {
    const isIn = (log: Log) => this.positions.some((own) => isSameLog(own, log))
    if (!isIn(said)) return
    const known = this.counts.find((each) => isSameLog(each, said))
    const others = this.counts.filter((each) => each !== known && (isIn(each) || each.nameHash !== said.nameHash))
    this.counts = [...others, saysMore(known, said) ? said : known!]
  }

  /** Keeps a known generation if the gateway reports the same offset without one. */
  #keepGeneration(position: Position): Position {
    const own = this.at(position)
    return own?.offset === position.offset && position.generation < 0 ? own : position
  }

  #forget(position: Position): void {
    for (const [key, other] of this.#positions) if (isSamePartition(other, position)) this.#positions.delete(key)
  }
}

/**
 * Merges tokens into one that misses nothing: the lowest position of each partition and the lowest
 * count of each log. A log has no count if one of the tokens with a position in it has none.
 */
export function lowestToken(tokens: readonly string[]): string | undefined {
  const lowest = new Map<string, Position>()
  const uncounted: Position[] = []
  const said: PartitionCount[] = []
  for (const token of tokens) {
    const { positions, counts } = decodeSaid(token)
    said.push(...counts)
    for (const position of positions) {
      if (!counts.some((each) => isSameLog(each, position))) uncounted.push(position)
      const other = lowest.get(keyOf(position))
      if (other === undefined || position.offset < other.offset) lowest.set(keyOf(position), position)
    }
  }
  said.sort((a, b) => a.count - b.count)
  const counts = said.filter((count) => {
    const isOf = (each: Log) => isSameLog(each, count)
    return said.find(isOf) === count && !uncounted.some(isOf)
  })
  return lowest.size + counts.length === 0 ? undefined : encodeSaid([...lowest.values()], counts)
}
