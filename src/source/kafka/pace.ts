/** Burst size: fetches with records that may follow one another without a pause. */
const burst = 4

/**
 * Limits how closely fetches follow one another. A fetch costs more than the records that it
 * returns. While records stream in, a short pause gathers several of them for one fetch. There is
 * no pause after a fetch that ends a silence, or if fetches with records are further apart than
 * the pause.
 */
export class Pace {
  readonly #pauseMs: number
  /**
   * Fetches left without a pause. Each `pauseMs` without one adds another, up to the burst size.
   */
  #credit = burst
  #sinceMs = 0

  constructor(pauseMs: number) {
    this.#pauseMs = pauseMs
  }

  /**
   * Notes a fetch with records at `nowMs` (monotonic). Returns how long to wait before the next
   * one, ms.
   */
  pauseMs(nowMs: number): number {
    const pauseMs = this.#pauseMs
    if (pauseMs === 0) return 0
    this.#credit = Math.min(burst, this.#credit + Math.max(0, nowMs - this.#sinceMs) / pauseMs) - 1
    const due = this.#credit < 0 ? pauseMs : 0
    this.#credit = Math.max(0, this.#credit)
    this.#sinceMs = nowMs + due
    return due
  }
}
