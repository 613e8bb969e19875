/**
 * The slabs of one tier that one window holds, oldest first. Each has a number; numbers are
 * consecutive.
 */
export class SlabQueue {
  /** Number of the oldest slab. */
  first = 0
  /** Number of slabs. */
  count = 0
  #slabs = new Uint32Array(8)
  #mask = 7

  /**
   * Returns the slab with this number, which must be in the queue. Only the low 22 bits count.
   */
  at(number: number): number {
    return this.#slabs[number & this.#mask]!
  }

  get oldest(): number {
    return this.at(this.first)
  }

  get newest(): number {
    return this.at(this.first + this.count - 1)
  }

  /** Adds a slab. `number` must follow the newest slab's number; an empty queue accepts any. */
  push(slab: number, number: number): void {
    if (this.count === 0) this.first = number
    if (this.count > this.#mask) this.#grow()
    this.#slabs[number & this.#mask] = slab
    this.count++
  }

  shift(): number {
    const slab = this.oldest
    this.first++
    this.count--
    return slab
  }

  pop(): number {
    const slab = this.newest
    this.count--
    return slab
  }

  #grow(): void {
    const mask = this.#mask * 2 + 1
    const slabs = new Uint32Array(mask + 1)
    for (let i = 0; i < this.count; i++) slabs[(this.first + i) & mask] = this.at(this.first + i)
    this.#slabs = slabs
    this.#mask = mask
  }
}
