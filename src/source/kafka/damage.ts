/** Offsets that are passed one by one where nobody can tell how much is damaged: good records behind a few damaged ones are not lost with them. */
const singleSteps = 32

/**
 * What to do about a place in the log that can't be read: fetch it once more, for the fault may have been on the way, then
 * pass it. Where nobody can tell how much is damaged, single steps are followed by ever larger ones, so that it ends.
 */
export class Damage {
  #seenAt = -1
  /** Steps of unknown extent in a row. */
  #steps = 0

  /** A batch was read: the next trouble is another one. */
  read(): void {
    this.#seenAt = -1
    this.#steps = 0
  }

  /**
   * Met at `offset` in a batch that begins at `first` and ends at `last` (undefined: unknown), below `head` (−1: unknown). The
   * last offset to pass, or undefined to fetch once more.
   */
  met(first: number, offset: number, last: number | undefined, head: number): number | undefined {
    if (this.#seenAt !== first) {
      this.#seenAt = first
      return undefined
    }
    this.#seenAt = -1
    let to = last ?? offset + 2 ** Math.max(0, this.#steps - singleSteps + 1) - 1
    this.#steps = last === undefined ? this.#steps + 1 : 0
    if (head >= 0) to = Math.min(to, head - 1)
    return Math.max(to, offset)
  }
}
