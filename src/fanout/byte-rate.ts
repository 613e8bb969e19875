import type { Clock } from '../base/clock.ts'
import { noLimit } from './options.ts'

/**
 * A token bucket that refills at a fixed rate of bytes a second and holds one second's worth. A
 * read's size is known only after it ends, so the caller takes an estimate and corrects it later.
 * The level may become negative; then nothing starts until it is positive again.
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

  /** Returns the delay until a read may start, ms; 0 = now. */
  waitMs(): number {
    if (this.#perSecond === noLimit) return 0
    const nowMs = this.#clock.monotonicMs()
    this.#level = Math.min(this.#perSecond, this.#level + ((nowMs - this.#atMs) * this.#perSecond) / 1000)
    this.#atMs = nowMs
    return this.#level > 0 ? 0 : Math.floor((-this.#level * 1000) / this.#perSecond) + 1
  }

  /** Takes bytes from the bucket; a negative number returns them. */
  take(bytes: number): void {
    if (this.#perSecond !== noLimit) this.#level -= bytes
  }
}
