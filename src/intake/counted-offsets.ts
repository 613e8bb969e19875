/**
 * Maximum stretches to remember per partition. Beyond it the shortest is forgotten, so its
 * records count again when they are read again.
 */
const mostStretches = 64

interface Stretch {
  readonly from: number
  /** Exclusive. */
  readonly to: number
}

/**
 * Offsets of a partition whose rejected records have been counted: by the tail, or by the first
 * read of a stretch of the past. So each record counts once, however often it is read.
 */
export class CountedOffsets {
  /** The tail reads, and counts, all offsets from here on. */
  tailFrom = Number.POSITIVE_INFINITY
  /** Disjoint, ascending. */
  #stretches: Stretch[] = []

  has(offset: number): boolean {
    return offset >= this.tailFrom || this.#stretches.some(({ from, to }) => offset >= from && offset < to)
  }

  add(from: number, to: number): void {
    if (from >= to) return
    const apart = this.#stretches.filter((each) => each.to < from || each.from > to)
    const touching = this.#stretches.filter((each) => each.to >= from && each.from <= to)
    const lowest = Math.min(from, ...touching.map((each) => each.from))
    const highest = Math.max(to, ...touching.map((each) => each.to))
    apart.push({ from: lowest, to: highest })
    if (apart.length > mostStretches) apart.splice(indexOfShortest(apart), 1)
    this.#stretches = apart.sort((a, b) => a.from - b.from)
  }

  /** Ends the tail's range at `to`, because it stopped reading the partition there. */
  tailEnds(to: number): void {
    this.add(this.tailFrom, to)
    this.tailFrom = Number.POSITIVE_INFINITY
  }

  /**
   * Forgets the offsets from `from` on: the log has other records there, which the tail reads.
   */
  rewritten(from: number): void {
    this.tailFrom = Math.min(this.tailFrom, from)
    const below = this.#stretches.map((each) => ({ from: each.from, to: Math.min(each.to, from) }))
    this.#stretches = below.filter((each) => each.from < each.to)
  }
}

function indexOfShortest(stretches: readonly Stretch[]): number {
  let shortest = 0
  stretches.forEach(({ from, to }, i) => {
    if (to - from < stretches[shortest]!.to - stretches[shortest]!.from) shortest = i
  })
  return shortest
}
