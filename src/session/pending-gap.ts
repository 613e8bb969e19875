import type { GapReason } from '../wire/frames.ts'
import type { Position } from '../wire/token.ts'

/** A gap that a reader owes its client, before anything that lies behind it. Offsets are inclusive. */
export interface PendingGap {
  readonly from: number
  readonly to: number | undefined
  readonly reason: GapReason
  /** Whether something was certainly lost. */
  readonly certain: boolean
  /** How many events; undefined = unknown. */
  readonly n?: number
  /** Whom it is for; undefined = whom its reader is for. */
  readonly refs?: readonly number[] | undefined
  /** What a token says while the gap is not told: the position before it; undefined = the partition stays unnamed. */
  readonly before: Position | undefined
}
