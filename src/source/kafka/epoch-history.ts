/** Epochs remembered of one partition; leaders change rarely, and an older one is found step by step. */
const maxEpochs = 64

/**
 * Where each leader's epoch begins, as far as a reader has passed it: what tells, when the leader's log turns out to be
 * another one, up to where the two agree.
 */
export class EpochHistory {
  readonly #starts: { readonly epoch: number; readonly offset: number }[] = []

  /** Epoch of the last batch passed; −1 = unknown. */
  get last(): number {
    return this.#starts.at(-1)?.epoch ?? -1
  }

  /** A batch was passed, whatever was in it. */
  passed(epoch: number, offset: number): void {
    if (epoch <= this.last) return
    this.#starts.push({ epoch, offset })
    if (this.#starts.length > maxEpochs) this.#starts.shift()
  }

  /** What is below the next offset is not known any more. */
  clear(): void {
    this.#starts.length = 0
  }

  /**
   * The leader's log ends its epoch `epoch`, the newest that it has of ours or older ones, at `endOffset`: the offset up
   * to which both logs may agree, at most `next`. Asking again from there finds an earlier one if they don't.
   */
  cutBack(epoch: number, endOffset: number, next: number): number {
    let agreed = Math.min(endOffset, next)
    while (this.last > epoch) agreed = Math.min(agreed, this.#starts.pop()!.offset)
    while (this.#starts.length > 0 && this.#starts.at(-1)!.offset >= agreed) this.#starts.pop()
    return agreed
  }
}
