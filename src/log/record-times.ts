import { unknownGeneration } from '../base/generation.ts'
import type { Chains } from './chains.ts'
import type { History } from './history.ts'
import type { Losses } from './losses.ts'

/**
 * The generations of a log that has no epochs: when each record was stored, Unix ms modulo 2^32, by entry of the index. Times rise with
 * offsets, and another history of a log was written after the one that it replaces: so its first record is the first that is younger
 * than the last one that both have.
 */
export class RecordTimes implements History {
  /** By slot. */
  readonly #times: Uint32Array
  readonly #chains: Chains
  readonly #losses: Losses

  constructor(times: Uint32Array, chains: Chains, losses: Losses) {
    this.#times = times
    this.#chains = chains
    this.#losses = losses
  }

  appended(slot: number, _offset: number, time: number): void {
    this.#times[slot] = time
  }

  ofEntry(ordinal: number): number {
    return this.#times[this.#chains.slotOf(ordinal)]!
  }

  at(offset: number): number {
    const ordinal = this.#chains.lowerBound(offset - 1)
    // A record of another offset may have been deleted elsewhere: only the one right below says something.
    if (ordinal === this.#chains.headOrdinal || this.#chains.offsetOf(ordinal) !== offset - 1) return unknownGeneration
    return this.ofEntry(ordinal)
  }

  divergence(offset: number, time: number, head: number): number {
    const own = this.at(offset)
    if (own === time) return Number.POSITIVE_INFINITY
    if (own < 0) return offset > head ? this.#firstYounger(time) : Number.POSITIVE_INFINITY
    return this.#chains.offsetOf(this.#firstAfter(time, this.#chains.lowerBound(offset) - 1))
  }

  doubtfulFrom(offset: number): number {
    const below = this.#chains.lowerBound(offset) - 1
    if (below < this.#chains.firstOrdinal) return 0
    const lost = this.#losses.next(this.#chains.offsetOf(below) + 1)
    return lost === undefined ? offset : Math.min(lost.from, offset)
  }

  // All that it knows is in the entries themselves, and goes with them.
  start(): void {}
  passed(): void {}
  unread(): void {}
  truncate(): void {}

  /** Of a position beyond the head, with the time of the record below it: all that is here was there before that one. */
  #firstYounger(time: number): number {
    const { firstOrdinal, headOrdinal } = this.#chains
    if (firstOrdinal === headOrdinal) return Number.POSITIVE_INFINITY
    const ordinal = this.#firstAfter(time, headOrdinal - 1)
    return this.#isYounger(ordinal, time) ? this.#chains.offsetOf(ordinal) : Number.POSITIVE_INFINITY
  }

  /** Compares as times do that lie within 24 days of each other, half of the 49 after which they repeat. */
  #isYounger(ordinal: number, time: number): boolean {
    return ((this.ofEntry(ordinal) - time) | 0) > 0
  }

  /** The first ordinal up to `to` whose record is younger than `time`; `to` when only that one can be. */
  #firstAfter(time: number, to: number): number {
    let low = this.#chains.firstOrdinal
    let high = to
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (this.#isYounger(middle, time)) high = middle
      else low = middle + 1
    }
    return low
  }
}
