/**
 * A leaky bucket whose state is the time at which it will be empty (GCRA, ITU-T I.371), ms on the
 * monotonic clock.
 */
export class LeakyBucket {
  #emptyMs = Number.NEGATIVE_INFINITY

  /** Returns the ms until the level is at most `mostMs`; 0 = it is now. */
  overMs(nowMs: number, mostMs: number): number {
    return Math.max(0, this.#emptyMs - nowMs - mostMs)
  }

  /** Adds an amount that takes `ms` to drain. The level is capped at `topMs`. */
  fill(ms: number, nowMs: number, topMs = Number.POSITIVE_INFINITY): void {
    this.#emptyMs = Math.min(Math.max(this.#emptyMs, nowMs) + ms, nowMs + topMs)
  }
}
