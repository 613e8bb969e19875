/** So many fetches with records may follow one another at once. */
const most = 4

/**
 * How closely fetches may follow one another. A fetch costs more than the records that it brings: while they stream in, several are worth
 * a short pause; where they come one by one, further apart than the pause is long, or first after a silence, none is.
 */
export class Pace {
  readonly #pauseMs: number
  /** Fetches that need no pause; one more for each length of the pause without one. */
  #credit = most
  #sinceMs = 0

  constructor(pauseMs: number) {
    this.#pauseMs = pauseMs
  }

  /** A fetch has brought records: how long to wait before the next one, ms. `nowMs` is monotonic. */
  pauseMs(nowMs: number): number {
    const pauseMs = this.#pauseMs
    if (pauseMs === 0) return 0
    this.#credit = Math.min(most, this.#credit + Math.max(0, nowMs - this.#sinceMs) / pauseMs) - 1
    const due = this.#credit < 0 ? pauseMs : 0
    this.#credit = Math.max(0, this.#credit)
    this.#sinceMs = nowMs + due
    return due
  }
}
