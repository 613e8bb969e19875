import type { GapReason } from '../wire/frames.ts'
import type { Position } from '../wire/token.ts'

/** A gap that a reader must send before anything after it. Offsets are inclusive. */
export interface PendingGap {
  readonly from: number
  readonly to: number | undefined
  readonly reason: GapReason
  /** Whether events were certainly lost. */
  readonly certain: boolean
  /** Number of events; undefined = unknown. */
  readonly n?: number
  /** Refs that it is for; undefined = all refs of its reader. */
  readonly refs?: readonly number[] | undefined
  /**
   * Position that tokens state until the gap is sent; undefined = they do not name the partition.
   */
  readonly before: Position | undefined
}
