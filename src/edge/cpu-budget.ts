import { LeakyBucket } from './leaky-bucket.ts'

/**
 * CPU budget for one connection's frames: its share of the gateway's time (2 ms in 100 ms), and
 * the ms that it can save up.
 */
export const cpuBudget = { share: 0.02, savedMs: 300 }

/** Tracks how much of its CPU budget one connection has used. */
export class CpuBudget extends LeakyBucket {
  /** Returns the ms until the connection may continue; 0 = now. */
  waitMs(nowMs: number): number {
    return this.overMs(nowMs, cpuBudget.savedMs / cpuBudget.share)
  }

  /** Spends `ms` of CPU time, used up to `nowMs`. */
  use(ms: number, nowMs: number): void {
    this.fill(ms / cpuBudget.share, nowMs)
  }
}
