import type { EntryArena } from './entry-arena.ts'
import { SlabQueue } from './slab-queue.ts'

/**
 * Maximum steps back along a chain for one question. Beyond that, a forward scan costs the reader
 * less.
 */
export const maxChainSteps = 4096

/** Sentinel ordinal: no such entry. */
export const noEntry = -1
/** Sentinel ordinal: an entry may exist, but finding it takes more steps than allowed. */
export const tooMany = -2

/**
 * One window's index: entries in order. A chain links each entry to the previous and next entry
 * with the same subject hash.
 */
export class Chains {
  /** Ordinal of the next entry. */
  headOrdinal = 0
  /** The oldest ordinal that chains lead to. */
  firstOrdinal = 0
  /** The oldest ordinal still in the index. Entries below `firstOrdinal` are in no chain. */
  oldestOrdinal = 0
  /**
   * Slab number k holds the ordinals from k << shift on. Only the low 32 bits of ordinals count.
   */
  readonly slabs = new SlabQueue()
  readonly #arena: EntryArena
  /** This window's number in the arena. */
  readonly #owner: number
  readonly #shift: number
  readonly #within: number
  /** End of the open slab, exclusive: entries below this ordinal need no new slab. */
  #openUntil = 0

  constructor(arena: EntryArena) {
    this.#arena = arena
    this.#owner = arena.nextWindow()
    this.#shift = arena.shift
    this.#within = 2 ** arena.shift - 1
  }

  slotOf(ordinal: number): number {
    return (this.slabs.at(ordinal >>> this.#shift) << this.#shift) + (ordinal & this.#within)
  }

  get isOpen(): boolean {
    return this.headOrdinal < this.#openUntil
  }

  /**
   * Appends `slab`, which takes the next entries. `timeMs` is the record time of the first one.
   */
  open(slab: number, timeMs: number): void {
    const { firstOrdinals, owners, firstMs } = this.#arena
    const first = this.headOrdinal - (this.headOrdinal & this.#within)
    this.slabs.push(slab, first >>> this.#shift)
    firstOrdinals[slab] = first
    owners[slab] = this.#owner
    firstMs[slab] = timeMs
    this.#openUntil = first + this.#within + 1
  }

  /** Adds an entry and returns its slot. A slab must be open. */
  add(offset: number, hash: number, place: number): number {
    const { offsets, hashes, previous, next, places, newest } = this.#arena
    const ordinal = this.headOrdinal
    const slot = this.slotOf(ordinal)
    const at = newest.placeOf(hash, this.#owner)
    const other = newest.at(at)
    const distance = other < 0 ? 0 : this.#distanceTo(other)
    if (other >= 0) next[other] = distance
    offsets[slot] = offset
    hashes[slot] = hash
    places[slot] = place
    previous[slot] = distance
    next[slot] = 0
    newest.set(at, slot)
    this.headOrdinal = ordinal + 1
    return slot
  }

  /** The first ordinal after the oldest slab. */
  get endOfOldest(): number {
    const { headOrdinal } = this
    const first = headOrdinal - ((headOrdinal - this.#arena.firstOrdinals[this.slabs.oldest]!) >>> 0)
    return Math.min(first + this.#within + 1, headOrdinal)
  }

  /** Removes the entries below `ordinal` from their chains. */
  unchainBelow(ordinal: number): void {
    const { newest, next } = this.#arena
    for (let each = this.firstOrdinal; each < ordinal; each++) {
      const slot = this.slotOf(each)
      // Only the newest entry of a chain can be in the table.
      if (next[slot] === 0) newest.remove(slot)
    }
    this.firstOrdinal = Math.max(this.firstOrdinal, ordinal)
  }

  /**
   * Drops the entries below `ordinal`. Gives back their slabs, except one that also holds later
   * entries.
   */
  dropBelow(ordinal: number): void {
    const { tier } = this.#arena
    this.unchainBelow(ordinal)
    this.oldestOrdinal = Math.max(this.oldestOrdinal, ordinal)
    while (this.slabs.count > 0 && this.endOfOldest <= ordinal) tier.giveBack(this.slabs.shift())
    if (this.slabs.count === 0) this.#openUntil = this.headOrdinal
  }

  dropNewest(): void {
    const { newest, next, tier } = this.#arena
    const ordinal = this.headOrdinal - 1
    const slot = this.slotOf(ordinal)
    const before = this.previous(ordinal)
    if (before < 0) newest.remove(slot)
    else {
      newest.replace(slot, this.slotOf(before))
      next[this.slotOf(before)] = 0
    }
    this.headOrdinal = ordinal
    this.firstOrdinal = Math.min(this.firstOrdinal, ordinal)
    if ((ordinal & this.#within) !== 0) return
    tier.giveBack(this.slabs.pop())
    this.#openUntil = ordinal
  }

  /** Drops all entries. The next entry opens a new slab. */
  clear(): void {
    const { newest, tier, slots } = this.#arena
    const isAlone = tier.holders.length === 1
    // For many entries, clearing the table costs less than removing each one.
    if (isAlone && (this.headOrdinal - this.oldestOrdinal) * 8 > slots) newest.clear()
    else this.dropBelow(this.headOrdinal)
    while (this.slabs.count > 0) tier.giveBack(this.slabs.shift())
    this.headOrdinal += -this.headOrdinal & this.#within
    this.firstOrdinal = this.headOrdinal
    this.oldestOrdinal = this.headOrdinal
    this.#openUntil = this.headOrdinal
  }

  // Reading

  offsetOf(ordinal: number): number {
    return this.#arena.offsets[this.slotOf(ordinal)]!
  }

  hashOf(ordinal: number): number {
    return this.#arena.hashes[this.slotOf(ordinal)]!
  }

  placeOf(ordinal: number): number {
    return this.#arena.places[this.slotOf(ordinal)]!
  }

  lowerBound(offset: number, from = this.firstOrdinal): number {
    let low = from
    let high = this.headOrdinal
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (this.offsetOf(middle) < offset) low = middle + 1
      else high = middle
    }
    return low
  }

  newest(hash: number): number {
    const { newest } = this.#arena
    const slot = newest.at(newest.placeOf(hash, this.#owner))
    return slot < 0 ? noEntry : this.headOrdinal - this.#distanceTo(slot)
  }

  previous(ordinal: number): number {
    const distance = this.#arena.previous[this.slotOf(ordinal)]!
    if (distance === 0 || ordinal - distance < this.firstOrdinal) return noEntry
    return ordinal - distance
  }

  following(ordinal: number): number {
    const distance = this.#arena.next[this.slotOf(ordinal)]!
    return distance === 0 ? noEntry : ordinal + distance
  }

  firstSince(hash: number, offset: number, maxSteps: number): number {
    let at = this.newest(hash)
    if (at < 0 || this.offsetOf(at) < offset) return noEntry
    const before = this.lowerBound(offset - 1)
    if (this.offsetOf(before) === offset - 1 && this.hashOf(before) === hash) return this.following(before)
    const { offsets, previous } = this.#arena
    let slot = this.slotOf(at)
    for (let steps = 0; steps < maxSteps; steps++) {
      const distance = previous[slot]!
      const earlier = at - distance
      if (distance === 0 || earlier < this.firstOrdinal) return at
      slot = this.slotOf(earlier)
      if (offsets[slot]! < offset) return at
      at = earlier
    }
    return tooMany
  }

  /**
   * Ordinals from the entry in `slot` to the head. The distance is below 2^32, so the low 32 bits
   * of both ordinals determine it.
   */
  #distanceTo(slot: number): number {
    return (this.headOrdinal - this.#arena.firstOrdinals[slot >>> this.#shift]! - (slot & this.#within)) >>> 0
  }
}
