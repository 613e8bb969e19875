/**
 * What to do about a place in the log that can't be read: fetch it once more, for the fault may have been on the way, then
 * pass it. Where nobody can tell how much is damaged, ever larger steps are taken, so that it ends.
 */
export class Damage {
  #seenAt = -1
  #step = 1

  /** A batch was read: the next trouble is another one. */
  read(): void {
    this.#seenAt = -1
    this.#step = 1
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
    let to = last ?? offset + this.#step - 1
    this.#step = last === undefined ? this.#step * 2 : 1
    if (head >= 0) to = Math.min(to, head - 1)
    return Math.max(to, offset)
  }
}
