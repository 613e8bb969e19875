import type { Chains } from './chains.ts'

/**
 * The generations of a log that has no epochs: when each record was stored, Unix ms modulo 2^32, by ordinal. Times rise with offsets, and
 * another history of a log was written after the one that it replaces: so its first record is the first that is younger than the last
 * one that both have.
 */
export class RecordTimes {
  /** By slot. */
  readonly #times: Uint32Array
  readonly #chains: Chains

  constructor(times: Uint32Array, chains: Chains) {
    this.#times = times
    this.#chains = chains
  }

  setSlot(slot: number, time: number): void {
    this.#times[slot] = time
  }

  at(ordinal: number): number {
    return this.#times[this.#chains.slotOf(ordinal)]!
  }

  /** Compares as times do that lie within 24 days of each other, half of the 49 after which they repeat. */
  isYounger(ordinal: number, time: number): boolean {
    return ((this.at(ordinal) - time) | 0) > 0
  }

  /**
   * The first ordinal of [from, to] whose record is younger than `time`; `to` when only that one can be.
   */
  firstAfter(time: number, from: number, to: number): number {
    let low = from
    let high = to
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (this.isYounger(middle, time)) high = middle
      else low = middle + 1
    }
    return low
  }
}
