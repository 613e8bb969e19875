import { LeakyBucket } from './leaky-bucket.ts'

/** The part of the gateway's time that one connection's frames may take, 2 ms in 100 ms, and what it may have saved up, ms. */
export const cpuBudget = { share: 0.02, savedMs: 300 }

/** What one connection has used of its part. */
export class CpuBudget extends LeakyBucket {
  /** How long until it may go on, ms; 0 = now. */
  waitMs(nowMs: number): number {
    return this.overMs(nowMs, cpuBudget.savedMs / cpuBudget.share)
  }

  /** It has used `ms`, up to now. */
  use(ms: number, nowMs: number): void {
    this.fill(ms / cpuBudget.share, nowMs)
  }
}
