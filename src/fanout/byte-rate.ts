import type { Clock } from '../base/clock.ts'
import { noLimit } from './options.ts'

/**
 * So many bytes a second, as a bucket that holds one second's worth. What something takes is known only afterwards, so it is taken
 * from an estimate and corrected: the bucket may go below empty, and then nothing begins until that is made up for.
 */
export class ByteRate {
  readonly #perSecond: number
  readonly #clock: Clock
  #level: number
  #atMs: number

  /** `perSecond` may be `noLimit`. */
  constructor(perSecond: number, clock: Clock) {
    this.#perSecond = perSecond
    this.#clock = clock
    this.#level = perSecond
    this.#atMs = clock.monotonicMs()
  }

  /** How long until something may begin, ms; 0 = now. */
  waitMs(): number {
    if (this.#perSecond === noLimit) return 0
    const nowMs = this.#clock.monotonicMs()
    this.#level = Math.min(this.#perSecond, this.#level + ((nowMs - this.#atMs) * this.#perSecond) / 1000)
    this.#atMs = nowMs
    return this.#level > 0 ? 0 : Math.floor((-this.#level * 1000) / this.#perSecond) + 1
  }

  /** Negative = given back. */
  take(bytes: number): void {
    if (this.#perSecond !== noLimit) this.#level -= bytes
  }
}
