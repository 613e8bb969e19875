import type { DropReason } from './drops.ts'
import type { PendingGap } from './pending-gap.ts'

/** Events in a row that a reader leaves out for one reason, not told yet: only while it walks. Until the client is told it stays at `from`. */
export class DroppedRun {
  readonly from: number
  /** How far the walk is. */
  next: number
  #to: number
  #count = 1
  readonly #reason: DropReason
  readonly #refs: readonly number[] | undefined

  /** `refs`: whom they are for; undefined = whom their reader is for. */
  constructor(offset: number, reason: DropReason, refs: readonly number[] | undefined) {
    this.from = offset
    this.#to = offset
    this.next = offset + 1
    this.#reason = reason
    this.#refs = refs
  }

  /** One more. False where it is another matter. */
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
