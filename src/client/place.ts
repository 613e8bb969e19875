import {
  decodeToken,
  encodeToken,
  hashOf,
  isGrowth,
  isSameLog,
  isSamePartition,
  keyOf,
  type Position,
} from '../wire/token.ts'

/** How what was told moves the place that somebody stands at. */
export interface Move {
  /**
   * `all`: these are all of its positions. `on`: none of them goes back. `to`: just there, also back; positions in earlier
   * incarnations of the same partition are forgotten (a gap).
   */
  readonly how: 'all' | 'on' | 'to'
  readonly positions: readonly Position[]
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

/** Where a subscription stands: one position for each partition of each stream, and one in the growth of each. */
export class Place {
  readonly #positions = new Map<string, Position>()
  readonly #growth = new Map<string, Position>()

  get size(): number {
    return this.#positions.size
  }

  get positions(): Position[] {
    return [...this.#positions.values()]
  }

  /** `after` of a request that goes on here; undefined while nothing is known. */
  get token(): string | undefined {
    return this.#positions.size === 0 ? undefined : encodeToken(this.all)
  }

  /** Its positions, and those in the growth of the streams. */
  get all(): Position[] {
    return [...this.positions, ...this.growth]
  }

  get growth(): Position[] {
    return [...this.#growth.values()]
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

  move({ how, positions }: Move): void {
    let told = positions
    if (how === 'all') {
      told = positions.map((position) => this.#withGeneration(position))
      this.#positions.clear()
      this.#growth.clear()
    }
    for (const position of told) {
      if (isGrowth(position)) {
        this.#grow(position)
        continue
      }
      if (how === 'to') this.#forget(position)
      if (how !== 'on' || isOn(this.at(position), position)) this.#positions.set(keyOf(position), position)
    }
  }

  /** Of the incarnation that is known; never back. What is known of older ones speaks until the stream's own new growth does. */
  #grow(position: Position): void {
    const isIn = (log: Position) => this.positions.some((own) => isSameLog(own, log))
    if (!isIn(position)) return
    for (const [key, other] of this.#growth)
      if (!isIn(other) && isSamePartition(other, position)) this.#growth.delete(key)
    if (isOn(this.#growth.get(keyOf(position)), position)) this.#growth.set(keyOf(position), position)
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
 * One token for several places: the lowest position of each partition, so that nobody misses anything; also of growth, and none where
 * somebody does not say what it knows.
 */
export function lowestToken(tokens: readonly string[]): string | undefined {
  const lowest = new Map<string, Position>()
  const unsaid: Position[] = []
  for (const token of tokens) {
    const positions = decodeToken(token)
    const said = positions.filter(isGrowth)
    for (const position of positions) {
      if (!said.some((each) => isSameLog(each, position))) unsaid.push(position)
      const other = lowest.get(keyOf(position))
      if (other === undefined || position.offset < other.offset) lowest.set(keyOf(position), position)
    }
  }
  const isSaid = (growth: Position) => !unsaid.some((each) => isSameLog(each, growth))
  const positions = [...lowest.values()].filter((each) => !isGrowth(each) || isSaid(each))
  return positions.length === 0 ? undefined : encodeToken(positions)
}
