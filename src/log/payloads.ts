import type { PayloadArena } from './payload-arena.ts'
import { SlabQueue } from './slab-queue.ts'

/** Where one window's payloads are: in order, slab by slab. */
export class Payloads {
  readonly slabs = new SlabQueue()
  readonly #arena: PayloadArena
  /** Where the next payload goes, and where its slab ends; a slab that is full, or none, ends there. */
  #write = 0
  #end = 0

  constructor(arena: PayloadArena) {
    this.#arena = arena
  }

  fits(units: number): boolean {
    return this.#write + units <= this.#end
  }

  /** Room in the newest slab, which must have it. */
  reserve(units: number): number {
    const place = this.#write
    this.#write = place + units
    return place
  }

  /** `slab` is the newest from here on; its first payload is that of `ordinal`. */
  open(slab: number, ordinal: number): void {
    const { slabs } = this
    const { slabUnits, firstOrdinals, ends } = this.#arena
    if (slabs.count > 0) ends[slabs.newest] = this.#write
    slabs.push(slab, slabs.first + slabs.count)
    firstOrdinals[slab] = ordinal
    this.#write = slab * slabUnits
    this.#end = this.#write + slabUnits
  }

  /** The first ordinal behind the oldest slab. */
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

  /** The newest payload, of `ordinal` and at `place`, is no more. */
  rewind(ordinal: number, place: number): void {
    const { slabs } = this
    const { firstOrdinals, slabUnits, ends, tier } = this.#arena
    this.#write = place
    if (firstOrdinals[slabs.newest] !== ordinal >>> 0) return
    tier.giveBack(slabs.pop())
    this.#write = slabs.count > 0 ? ends[slabs.newest]! : 0
    this.#end = slabs.count > 0 ? (slabs.newest + 1) * slabUnits : 0
  }

  /** Units from `oldest`, the oldest payload's place, to the write place; what was left free at the end of a slab included. */
  usedSince(oldest: number): number {
    const { slabs } = this
    const { slabUnits } = this.#arena
    const before = slabs.count === 0 ? 0 : this.#write - slabs.newest * slabUnits
    return slabs.count === 0 ? 0 : (slabs.count - 1) * slabUnits + before - (oldest - slabs.oldest * slabUnits)
  }
}
