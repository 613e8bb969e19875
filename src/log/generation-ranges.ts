import { unknownGeneration } from '../base/generation.ts'
import type { History } from './history.ts'
import type { Losses } from './losses.ts'

interface GenerationRange {
  /** Offset of the first record seen in this range. */
  readonly start: number
  /** Lowest offset where the range may start: the records in [from, start) were lost unseen. */
  readonly from: number
  readonly generation: number
}

/** Leader changes to remember. Even a log with unclean elections has few. */
const maxRanges = 256

/**
 * Where each leader epoch of a partition starts. Judges a token's generation without a question
 * to the broker.
 */
export class GenerationRanges implements History {
  readonly isInEntries = false
  #list: GenerationRange[] = []
  /**
   * The lowest position that the ranges cover. `#generationBefore` is its generation, or
   * `unknownGeneration`.
   */
  #from = 0
  #generationBefore = unknownGeneration
  /** Start of a loss that reaches up to the head; -1 = none. */
  #unreadFrom = -1
  readonly #losses: Losses

  constructor(losses: Losses) {
    this.#losses = losses
  }

  start(offset: number, generationBefore: number): void {
    this.#list = []
    this.#from = offset
    this.#generationBefore = generationBefore
    this.#unreadFrom = -1
  }

  appended(_slot: number, offset: number, generation: number): void {
    this.passed(offset, generation)
  }

  passed(offset: number, generation: number): void {
    const from = this.#unreadFrom < 0 ? offset : this.#unreadFrom
    this.#unreadFrom = -1
    if (this.#list.length > 0 && this.#list.at(-1)!.generation === generation) return
    this.#list.push({ start: offset, from, generation: generation })
    if (this.#list.length > maxRanges) this.#forgetOldest()
  }

  unread(from: number): void {
    if (this.#unreadFrom < 0) this.#unreadFrom = from
  }

  truncate(offset: number): void {
    this.#unreadFrom = -1
    if (offset < this.#from) this.start(offset, unknownGeneration)
    else this.#list = this.#list.filter(({ start }) => start < offset)
  }

  ofEntry(_ordinal: number, offset: number, head: number): number {
    return this.#before(offset + 1, head)
  }

  at(offset: number, head: number): number {
    return this.#unreadFrom >= 0 && offset > this.#unreadFrom ? unknownGeneration : this.#before(offset, head)
  }

  divergence(offset: number, generation: number, head: number): number {
    return Math.min(this.#end(generation), this.#unread(offset, head))
  }

  mayBegin(before: number, after: number): boolean {
    return before !== after
  }

  doubtfulFrom(offset: number, generation: number, head: number): number {
    const seen = this.#unreadFrom < 0 ? offset : Math.min(offset, this.#unreadFrom)
    const before = this.#before(seen, head)
    return before < 0 || (generation >= 0 && before > generation) ? 0 : seen
  }

  hasOlder(offset: number, generation: number): boolean {
    const isAbove = this.#from > offset && this.#generationBefore >= 0
    const first = isAbove ? this.#generationBefore : this.#list.find(({ start }) => start >= offset)?.generation
    return first !== undefined && first < generation
  }

  /**
   * Returns the epoch of the last record below `offset`. Returns `unknownGeneration` beyond
   * `head`, and where a later epoch may have started unseen.
   */
  #before(offset: number, head: number): number {
    if (offset > head) return unknownGeneration
    const list = this.#list
    for (let i = list.length - 1; i >= 0; i--) {
      const { start, from, generation } = list[i]!
      if (start < offset) return generation
      if (from < offset) return unknownGeneration
    }
    return offset >= this.#from ? this.#generationBefore : unknownGeneration
  }

  /** Returns the first offset that is, or may be, of a later epoch; Infinity = none seen. */
  #end(generation: number): number {
    if (this.#generationBefore > generation) return this.#from
    return this.#list.find((entry) => entry.generation > generation)?.from ?? Number.POSITIVE_INFINITY
  }

  /**
   * Returns the start of an unread stretch up to the head that contains the position, since
   * another history may begin there; Infinity = none. The holder of that position did read the
   * stretch.
   */
  #unread(offset: number, head: number): number {
    if (this.#unreadFrom < 0 || offset <= this.#unreadFrom || offset > head) return Number.POSITIVE_INFINITY
    const lost = this.#losses.next(offset - 1)
    return lost !== undefined && lost.from < offset ? lost.from : Number.POSITIVE_INFINITY
  }

  #forgetOldest(): void {
    const { start, generation } = this.#list.shift()!
    this.#from = start + 1
    this.#generationBefore = generation
  }
}
