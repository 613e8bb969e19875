/**
 * When each event is due, at a fixed rate from a start: an open loop, which goes on whatever becomes of the events, so that a stall
 * counts for each event that should have been sent meanwhile.
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

  /** The due time of the `index`th event from now, µs. */
  dueUs(index = 0): number {
    return this.startUs + ((this.#taken + index) * 1e6) / this.rate
  }

  /** How many are due by `nowUs` and not taken. */
  due(nowUs: number): number {
    return Math.max(0, Math.floor(((nowUs - this.startUs) * this.rate) / 1e6) + 1 - this.#taken)
  }

  take(count: number): void {
    this.#taken += count
  }
}
