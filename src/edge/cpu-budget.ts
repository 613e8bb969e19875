/** The part of the gateway's time that one connection's frames may take, 2 ms in 100 ms, and what it may have saved up, ms. */
export const cpuBudget = { share: 0.02, savedMs: 300 }

/** What one connection has used of its part. */
export class CpuBudget {
  /** When all that was used will be made up for, ms on the monotonic clock. */
  #evenMs = Number.NEGATIVE_INFINITY

  /** How long until it may go on, ms; 0 = now. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.#evenMs - nowMs - cpuBudget.savedMs / cpuBudget.share)
  }

  /** It has used `ms`, up to now. */
  use(ms: number, nowMs: number): void {
    this.#evenMs = Math.max(this.#evenMs, nowMs) + ms / cpuBudget.share
  }
}
