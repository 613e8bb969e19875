/** A leaky bucket, as the time at which it will be empty (GCRA, ITU-T I.371): ms on the monotonic clock. */
export class LeakyBucket {
  #emptyMs = Number.NEGATIVE_INFINITY

  /** How long until it holds no more than `mostMs`; 0 = it does. */
  overMs(nowMs: number, mostMs: number): number {
    return Math.max(0, this.#emptyMs - nowMs - mostMs)
  }

  /** Puts in what takes `ms` to leave; what would be above `topMs` spills over. */
  fill(ms: number, nowMs: number, topMs = Number.POSITIVE_INFINITY): void {
    this.#emptyMs = Math.min(Math.max(this.#emptyMs, nowMs) + ms, nowMs + topMs)
  }
}
