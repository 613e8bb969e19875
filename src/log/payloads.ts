import type { PayloadArena } from './payload-arena.ts'
import { SlabQueue } from './slab-queue.ts'

/** Locates one window's payloads: in order, slab by slab. */
export class Payloads {
  readonly slabs = new SlabQueue()
  readonly #arena: PayloadArena
  /**
   * The place of the next payload, and the end of its slab. Both are equal when the slab is full
   * or missing.
   */
  #write = 0
  #end = 0

  constructor(arena: PayloadArena) {
    this.#arena = arena
  }

  fits(units: number): boolean {
    return this.#write + units <= this.#end
  }

  /** Reserves units in the newest slab, which must have room for them. */
  reserve(units: number): number {
    const place = this.#write
    this.#write = place + units
    return place
  }

  /** Appends `slab` as the newest. Its first payload belongs to `ordinal`. */
  open(slab: number, ordinal: number): void {
    const { slabs } = this
    const { slabUnits, firstOrdinals, ends } = this.#arena
    if (slabs.count > 0) ends[slabs.newest] = this.#write
    slabs.push(slab, slabs.first + slabs.count)
    firstOrdinals[slab] = ordinal
    this.#write = slab * slabUnits
    this.#end = this.#write + slabUnits
  }

  /** Returns the first ordinal after the oldest slab. */
  endOfOldest(headOrdinal: number): number {
    const { slabs } = this
    if (slabs.count === 1) return headOrdinal
    return headOrdinal - ((headOrdinal - this.#arena.firstOrdinals[slabs.at(slabs.first + 1)]!) >>> 0)
  }

  /** Gives back each slab that holds nothing from `ordinal` on. */
  releaseBelow(ordinal: number, headOrdinal: number): void {
    while (this.slabs.count > 0 && this.endOfOldest(headOrdinal) <= ordinal) {
      this.#arena.tier.giveBack(this.slabs.shift())
    }
    if (this.slabs.count === 0) this.#end = this.#write
  }

  /** Removes the newest payload, which is that of `ordinal` at `place`. */
  rewind(ordinal: number, place: number): void {
    const { slabs } = this
    const { firstOrdinals, slabUnits, ends, tier } = this.#arena
    this.#write = place
    if (firstOrdinals[slabs.newest] !== ordinal >>> 0) return
    tier.giveBack(slabs.pop())
    this.#write = slabs.count > 0 ? ends[slabs.newest]! : 0
    this.#end = slabs.count > 0 ? (slabs.newest + 1) * slabUnits : 0
  }

  /**
   * Returns the units from `oldest`, the oldest payload's place, to the write place, including
   * unused ends of slabs.
   */
  usedSince(oldest: number): number {
    const { slabs } = this
    const { slabUnits } = this.#arena
    const before = slabs.count === 0 ? 0 : this.#write - slabs.newest * slabUnits
    return slabs.count === 0 ? 0 : (slabs.count - 1) * slabUnits + before - (oldest - slabs.oldest * slabUnits)
  }
}
