/** The slabs that one window holds of a tier, oldest first, each under a number that goes up by one. */
export class SlabQueue {
  /** Number of the oldest. */
  first = 0
  /** How many there are. */
  count = 0
  #slabs = new Uint32Array(8)
  #mask = 7

  /** The slab with this number, which must be one of those that are there; its low 22 bits are enough. */
  at(number: number): number {
    return this.#slabs[number & this.#mask]!
  }

  get oldest(): number {
    return this.at(this.first)
  }

  get newest(): number {
    return this.at(this.first + this.count - 1)
  }

  /** `number` follows the newest one's; any will do while there is none. */
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
