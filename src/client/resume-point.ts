import { decodeSaid, encodeSaid, type PartitionCount, type Token } from '../wire/partition-counts.ts'
import { hashOf, isSameLog, isSamePartition, keyOf, type Log, type Position } from '../wire/token.ts'

/** How what was told moves the place that somebody stands at. What it leaves out it says nothing of. */
export interface PositionChange extends Partial<Token> {
  /**
   * `all`: these are all of its positions. `on`: none of them goes back. `to`: just there, also back; positions in earlier
   * incarnations of the same partition are forgotten (a gap).
   */
  readonly how: 'all' | 'on' | 'to'
}

/** They can't be of one history: in a log generations rise with offsets. */
export function contradict(a: Position, b: Position): boolean {
  if (a.generation < 0 || b.generation < 0) return false
  if (a.offset === b.offset) return a.generation !== b.generation
  return a.offset < b.offset ? a.generation > b.generation : a.generation < b.generation
}

/** Whether it goes on from `own`, or says more of the same place: a gateway may not know the generation. */
export const isOn = (own: Position | undefined, { offset, generation }: Position): boolean =>
  own === undefined || own.offset < offset || (own.offset === offset && generation >= 0)

/** Whether it is of more partitions than `own`, or of as many and said by who reads them. */
export const saysMore = (own: PartitionCount | undefined, { count, isRead }: PartitionCount): boolean =>
  own === undefined || own.count < count || (own.count === count && isRead)

/** Where a subscription stands: one position for each partition of each stream, and how many partitions of each it knows of. */
export class ResumePoint {
  readonly #positions = new Map<string, Position>()
  /** One a log. */
  counts: readonly PartitionCount[] = []

  get size(): number {
    return this.#positions.size
  }

  get positions(): Position[] {
    return [...this.#positions.values()]
  }

  /** `after` of a request that goes on here; undefined while nothing is known. */
  get token(): string | undefined {
    return this.#positions.size === 0 ? undefined : encodeSaid(this.positions, this.counts)
  }

  /** The position in the same incarnation and partition. */
  at(position: Position): Position | undefined {
    return this.#positions.get(keyOf(position))
  }

  /** The position in the partition of a stream that is known by name only; undefined when none or several may be meant. */
  named(stream: string, partition: number): Position | undefined {
    const named = { nameHash: hashOf(stream), partition }
    const found = this.positions.filter((each) => isSamePartition(each, named))
    return found.length === 1 ? found[0] : undefined
  }

  move({ how, positions = [], counts = [] }: PositionChange): void {
    let told = positions
    if (how === 'all') {
      told = positions.map((position) => this.#withGeneration(position))
      this.#positions.clear()
      this.counts = []
    }
    for (const position of told) {
      if (how === 'to') this.#forget(position)
      if (how !== 'on' || isOn(this.at(position), position)) this.#positions.set(keyOf(position), position)
    }
    for (const count of counts) this.#count(count)
  }

  /** Where the other one is. */
  moveTo({ positions, counts }: ResumePoint): void {
    this.move({ how: 'all', positions, counts })
  }

  /** Of the incarnation that is known; never back. What is known of older ones speaks until the stream's own new count does. */
  #count(said: PartitionCount): void {
    const isIn = (log: Log) => this.positions.some((own) => isSameLog(own, log))
    if (!isIn(said)) return
    const known = this.counts.find((each) => isSameLog(each, said))
    const others = this.counts.filter((each) => each !== known && (isIn(each) || each.nameHash !== said.nameHash))
    this.counts = [...others, saysMore(known, said) ? said : known!]
  }

  /** A gateway that can't tell the generation of a position says nothing against the one that is known. */
  #withGeneration(position: Position): Position {
    const own = this.at(position)
    return own?.offset === position.offset && position.generation < 0 ? own : position
  }

  #forget(position: Position): void {
    for (const [key, other] of this.#positions) if (isSamePartition(other, position)) this.#positions.delete(key)
  }
}

/**
 * One token for several places: the lowest position of each partition, so that nobody misses anything; also the lowest count of a log,
 * and none where somebody does not say what it knows.
 */
export function lowestToken(tokens: readonly string[]): string | undefined {
  const lowest = new Map<string, Position>()
  const unsaid: Position[] = []
  const said: PartitionCount[] = []
  for (const token of tokens) {
    const { positions, counts } = decodeSaid(token)
    said.push(...counts)
    for (const position of positions) {
      if (!counts.some((each) => isSameLog(each, position))) unsaid.push(position)
      const other = lowest.get(keyOf(position))
      if (other === undefined || position.offset < other.offset) lowest.set(keyOf(position), position)
    }
  }
  said.sort((a, b) => a.count - b.count)
  const counts = said.filter((count) => {
    const isOf = (each: Log) => isSameLog(each, count)
    return said.find(isOf) === count && !unsaid.some(isOf)
  })
  return lowest.size + counts.length === 0 ? undefined : encodeSaid([...lowest.values()], counts)
}
