import type { Clock } from '../base/clock.ts'

/**
 * A budget per second, renewed at each whole second of the monotonic clock. A burst across that
 * moment may use up to two seconds' worth.
 */
export class Budget {
  readonly #perSecond: number
  readonly #clock: Clock
  #second = -1
  #left = 0

  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond
    this.#clock = clock
  }

  /** Takes up to `wanted` from the current second's budget. Returns the number taken. */
  take(wanted: number): number {
    const second = Math.floor(this.#clock.monotonicMs() / 1000)
    if (second !== this.#second) {
      this.#second = second
      this.#left = this.#perSecond
    }
    const taken = Math.min(wanted, this.#left)
    this.#left -= taken
    return taken
  }
}
