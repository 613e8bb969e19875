/**
 * Due times of events at a fixed rate from a start. An open loop: it goes on whatever happens to
 * the events, so that a stall counts for each event that should have been sent in that time.
 */
export class Schedule {
  readonly startUs: number
  readonly rate: number
  #taken = 0

  /** `rate`: events a second. */
  constructor(rate: number, startUs: number) {
    this.rate = rate
    this.startUs = startUs
  }

  /** Returns the due time of the `index`-th event from now, µs. */
  dueUs(index = 0): number {
    return this.startUs + ((this.#taken + index) * 1e6) / this.rate
  }

  /** Returns how many events are due by `nowUs` and not taken yet. */
  due(nowUs: number): number {
    return Math.max(0, Math.floor(((nowUs - this.startUs) * this.rate) / 1e6) + 1 - this.#taken)
  }

  take(count: number): void {
    this.#taken += count
  }
}
