import type { DropReason } from './drops.ts'
import type { PendingGap } from './pending-gap.ts'

/**
 * Consecutive events that a reader leaves out for one reason, and has not reported yet. The run
 * exists only during a walk. The reader stays at `from` until the gap is sent.
 */
export class DroppedRun {
  readonly from: number
  /** Offset that the walk has reached. */
  next: number
  #to: number
  #count = 1
  readonly #reason: DropReason
  readonly #refs: readonly number[] | undefined

  /** `refs` are those that wanted the event; undefined = all refs of the reader. */
  constructor(offset: number, reason: DropReason, refs: readonly number[] | undefined) {
    this.from = offset
    this.#to = offset
    this.next = offset + 1
    this.#reason = reason
    this.#refs = refs
  }

  /** Adds an event to the run. False = it does not belong here: its reason or refs differ. */
  add(offset: number, reason: DropReason, refs: readonly number[] | undefined): boolean {
    if (reason !== this.#reason || `${refs}` !== `${this.#refs}`) return false
    this.#to = offset
    this.#count++
    this.next = offset + 1
    return true
  }

  get gap(): PendingGap {
    const { from } = this
    return {
      from,
      to: this.#to,
      n: this.#count,
      reason: this.#reason,
      refs: this.#refs,
      certain: true,
      before: undefined,
    }
  }
}
