/**
 * Offsets to skip one by one if the extent of the damage is unknown, so that intact records after
 * a few damaged ones are not lost.
 */
const singleSteps = 32

/**
 * Decides how to handle a position that cannot be read: fetch it once more, since the fault may
 * have occurred in transit, then skip it. If the extent of the damage is unknown, single steps
 * are followed by exponentially larger ones, so that skipping ends.
 */
export class Damage {
  #seenAt = -1
  /** Consecutive steps of unknown extent. */
  #steps = 0

  /** Notes that a batch was read: the next damage is separate. */
  read(): void {
    this.#seenAt = -1
    this.#steps = 0
  }

  /**
   * Handles damage at `offset` in a batch from `first` to `last` (undefined: unknown), below
   * `head` (-1: unknown). Returns the last offset to skip, or undefined to fetch once more.
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
