import type { Allocate } from './allocate.ts'
import type { Generations } from './record.ts'
import { SlabTier } from './slab-tier.ts'
import { SubjectTable } from './subject-table.ts'

/** What one entry of the index takes, its two places in the table of newest entries included. */
export const bytesPerEntry = (generations: Generations): number => (generations === 'times' ? 36 : 32)

export interface EntryArenaSize {
  /** Records that it holds, in whole slabs. */
  readonly entries: number
  /** A power of two. */
  readonly slabEntries: number
  /** Whether each entry keeps its record's time. */
  readonly withTimes: boolean
}

/** The index of all windows of a pool, in slabs: one *slot* an entry. 24 bytes of arrays and 8 of table a slot. */
export class EntryArena {
  readonly tier: SlabTier
  /** A slab's slots, as a power of two. */
  readonly shift: number
  // An array a field: an append reads one hash and writes one `next` anywhere in them, and waits less the fewer pages those lie in.

  readonly offsets: Float64Array
  /** Of the subjects. */
  readonly hashes: Uint32Array
  /** Distances in ordinals to the previous and next entry of the same hash, 0 = none. */
  readonly previous: Uint32Array
  readonly next: Uint32Array
  /** Of the payloads. */
  readonly places: Uint32Array
  /** Generations, where they are times. */
  readonly times: Uint32Array | undefined
  /** By slab: the ordinal that its first slot has (its low 32 bits), the window that holds it, and its first record's time, ms. */
  readonly firstOrdinals: Uint32Array
  readonly owners: Uint32Array
  readonly firstMs: Float64Array
  readonly newest: SubjectTable
  #windows = 0

  constructor({ entries, slabEntries, withTimes }: EntryArenaSize, allocate: Allocate) {
    this.shift = 31 - Math.clz32(slabEntries)
    this.tier = new SlabTier(entries >>> this.shift)
    const { size } = this.tier
    const slots = size << this.shift
    const words = (count: number) => new Uint32Array(allocate(4 * count))
    this.offsets = new Float64Array(allocate(8 * slots))
    this.hashes = words(slots)
    this.previous = words(slots)
    this.next = words(slots)
    this.places = words(slots)
    this.times = withTimes ? words(slots) : undefined
    this.firstOrdinals = words(size)
    this.owners = words(size)
    this.firstMs = new Float64Array(allocate(8 * size))
    this.newest = new SubjectTable(this.hashes, this.owners, this.shift, words(2 * slots))
  }

  get slabBytes(): number {
    return bytesPerEntry(this.times === undefined ? 'ranges' : 'times') << this.shift
  }

  get slots(): number {
    return this.offsets.length
  }

  /** Names one more window. */
  nextWindow(): number {
    return this.#windows++
  }
}
