import type { Clock } from '../base/clock.ts'

/** So many a second, in whole seconds of the monotonic clock: a burst may take two seconds' worth around the turn of one. */
export class Budget {
  readonly #perSecond: number
  readonly #clock: Clock
  #second = -1
  #left = 0

  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond
    this.#clock = clock
  }

  /** How many of `wanted` may be had now; they are taken. */
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
