import type { Allocate } from './allocate.ts'
import type { Generations } from './record.ts'
import { SlabTier } from './slab-tier.ts'
import { SubjectTable } from './subject-table.ts'

/**
 * Bytes that one entry of the index takes, including its two places in the table of newest
 * entries.
 */
export const bytesPerEntry = (generations: Generations): number => (generations === 'times' ? 36 : 32)

export interface EntryArenaSize {
  /** Capacity in records; the arena uses whole slabs only. */
  readonly entries: number
  /** Entries per slab, a power of two. */
  readonly slabEntries: number
  /** Whether each entry keeps its record's time. */
  readonly withTimes: boolean
}

/**
 * The index of all windows of a pool, in slabs. Each entry takes one *slot*: 24 bytes of arrays
 * and 8 bytes of table.
 */
export class EntryArena {
  readonly tier: SlabTier
  /** Log2 of the slots per slab. */
  readonly shift: number
  // One array per field. An append reads one hash and writes one `next` at random places; denser
  // arrays mean fewer pages, so fewer cache misses.

  readonly offsets: Float64Array
  /** Subject hashes. */
  readonly hashes: Uint32Array
  /** Distances, in ordinals, to the previous and next entry with the same hash; 0 = none. */
  readonly previous: Uint32Array
  readonly next: Uint32Array
  /** Places of the payloads. */
  readonly places: Uint32Array
  /** Generations of the records; only where generations are times. */
  readonly times: Uint32Array | undefined
  /**
   * Indexed by slab: ordinal of the first slot (low 32 bits), number of the window that holds the
   * slab, and record time of the first entry, ms.
   */
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

  /** Returns the number of a new window. */
  nextWindow(): number {
    return this.#windows++
  }
}
