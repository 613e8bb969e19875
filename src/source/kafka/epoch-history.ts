/**
 * Epochs kept for one partition. Leaders change rarely, and an older divergence is found step by
 * step.
 */
const maxEpochs = 64

/**
 * The first offset of each leader epoch that a reader has passed. When the leader's log diverges,
 * it shows how far the two logs agree.
 */
export class EpochHistory {
  readonly #starts: { readonly epoch: number; readonly offset: number }[] = []

  /** Epoch of the last batch passed; -1 = unknown. */
  get last(): number {
    return this.#starts.at(-1)?.epoch ?? -1
  }

  /** Notes a batch, whether or not records of it were delivered. */
  passed(epoch: number, offset: number): void {
    if (epoch <= this.last) return
    this.#starts.push({ epoch, offset })
    if (this.#starts.length > maxEpochs) this.#starts.shift()
  }

  /** Forgets everything below the next offset. */
  clear(): void {
    this.#starts.length = 0
  }

  /**
   * Handles a divergence. `epoch` is the leader's newest epoch that is not newer than ours, and
   * ends at `endOffset`. Returns the offset up to which both logs may agree, at most `next`. If
   * they do not agree there, the next fetch finds an earlier offset.
   */
  cutBack(epoch: number, endOffset: number, next: number): number {
    let agreed = Math.min(endOffset, next)
    while (this.last > epoch) agreed = Math.min(agreed, this.#starts.pop()!.offset)
    while (this.#starts.length > 0 && this.#starts.at(-1)!.offset >= agreed) this.#starts.pop()
    return agreed
  }
}
