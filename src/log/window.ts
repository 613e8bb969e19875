import { absent } from '../base/absent.ts'
import { CarillonError } from '../base/errors.ts'
import { unknownGeneration } from '../base/generation.ts'
import { Chains, maxChainSteps } from './chains.ts'
import type { NewEntry, StoredEntry } from './entry.ts'
import { GenerationRanges } from './generation-ranges.ts'
import type { History } from './history.ts'
import { Losses, type Lost } from './losses.ts'
import { type PayloadArena, unit } from './payload-arena.ts'
import { Payloads } from './payloads.ts'
import type { LostReason } from './record.ts'
import { RecordTimes } from './record-times.ts'
import type { SlabHolder } from './slab-tier.ts'
import { slackBytes, type WindowPool } from './window-pool.ts'

export interface WindowOptions {
  /** Memory pool, shared by all partitions. */
  readonly pool: WindowPool
  /** Seed of the records' hashes. Callers of `append` hash with it. */
  readonly seed: number
}

/** Events and subject positions have 24 bits in a payload's header. */
const maxEventBytes = 2 ** 24 - 1
/**
 * Header before each payload, bytes: record time (float64), lengths (uint32), subject position
 * (uint32).
 */
const headerBytes = 16

/**
 * The newest stretch of one partition, in two tiers: payloads, and an index that reaches further
 * back. Both are in slabs of a pool that windows share. When the pool has no free slab, the
 * oldest slab of any window is taken, so an append may shorten *another* window.
 *
 * The index chains records by subject hash and stores no subjects. So "nothing since" is exact,
 * and "something since" is a hint: subjects with the same hash share a chain, so the caller
 * compares the subject's bytes before delivery.
 *
 * An ordinal names an entry. Ordinals go up by one with each append. They are valid until any
 * window of the pool changes; to come back later, keep an offset. Eviction moves `indexOrdinal`,
 * and chains end there: a reused slot never leads into another chain.
 */
export class Window {
  /** Next offset. Every offset below it was appended, is a hole, or was reported lost. */
  head = 0
  /** Payloads are complete from here on: each record in [tail, head) can be loaded. */
  tail = 0
  /**
   * The index is complete from here on: each record in [indexTail, head) has an entry. At most
   * `tail`.
   */
  indexTail = 0
  /** The oldest ordinal that can be loaded. */
  tailOrdinal = 0
  /**
   * Age of the records that are being appended, ms; 0 = live. A slab's age is that of its
   * records.
   */
  behindMs = 0
  readonly #pool: WindowPool
  readonly #arena: PayloadArena
  readonly #chains: Chains
  readonly #payloads: Payloads
  readonly #payloadHolder: SlabHolder & { isSealed: boolean }
  readonly #entryHolder: SlabHolder & { isSealed: boolean }
  readonly #losses = new Losses()
  readonly #history: History

  constructor(pool: WindowPool) {
    const { entries, payloads } = pool
    this.#pool = pool
    this.#arena = payloads
    this.#chains = new Chains(entries)
    this.#payloads = new Payloads(payloads)
    const { times } = entries
    this.#history =
      times === undefined ? new GenerationRanges(this.#losses) : new RecordTimes(times, this.#chains, this.#losses)
    this.#payloadHolder = { slabs: this.#payloads.slabs, isSealed: false, giveUpOldest: () => this.#giveUpPayloads() }
    this.#entryHolder = { slabs: this.#chains.slabs, isSealed: false, giveUpOldest: () => this.#giveUpEntries() }
    payloads.tier.join(this.#payloadHolder)
    entries.tier.join(this.#entryHolder)
  }

  /** Ordinal of the next append. */
  get headOrdinal(): number {
    return this.#chains.headOrdinal
  }

  /** The oldest ordinal visible to readers. */
  get indexOrdinal(): number {
    return this.#chains.firstOrdinal
  }

  /**
   * Offset of the newest record in the index, including entries no longer visible to readers; -1
   * = none.
   */
  get newestOffset(): number {
    const { oldestOrdinal, headOrdinal } = this.#chains
    return oldestOrdinal < headOrdinal ? this.offsetOf(headOrdinal - 1) : -1
  }

  /** Records that can be loaded. */
  get size(): number {
    return this.headOrdinal - this.tailOrdinal
  }

  /** Records in the index that are visible to readers. */
  get indexed(): number {
    return this.headOrdinal - this.indexOrdinal
  }

  /**
   * Capacity of the pool's index, in records, for all windows. `shareEntries` is the equal share
   * of each window.
   */
  get capacity(): number {
    return this.#pool.entries.slots
  }

  get shareEntries(): number {
    return this.capacity / this.#pool.windows
  }

  /**
   * Capacity of the pool for payloads, in bytes, for all windows. `shareBytes` is the equal share
   * of each window.
   */
  get payloadBytes(): number {
    return this.#arena.tier.size * this.#arena.slabBytes
  }

  get shareBytes(): number {
    return this.payloadBytes / this.#pool.windows
  }

  /** Bytes in use, from the oldest payload to the write place, including unused ends of slabs. */
  get usedBytes(): number {
    if (this.size === 0) return 0
    return this.#payloads.usedSince(this.#chains.placeOf(this.tailOrdinal)) * unit
  }

  /** Number of payload slabs held. */
  get payloadSlabs(): number {
    return this.#payloads.slabs.count
  }

  get indexSlabs(): number {
    return this.#chains.slabs.count
  }

  /** Bytes in the index slabs held. */
  get indexBytes(): number {
    return this.indexSlabs * this.#pool.entries.slabBytes
  }

  /** Record time of the oldest payload, ms; undefined = none. */
  get oldestMs(): number | undefined {
    if (this.size === 0) return undefined
    const place = this.#chains.placeOf(this.tailOrdinal)
    return this.#arena.piece(place).times[this.#arena.within(place)]!
  }

  /**
   * Approximate record time of the oldest entry, ms: that of the first entry in its slab;
   * undefined = none.
   */
  get indexOldestMs(): number | undefined {
    if (this.indexed === 0) return undefined
    const { firstMs, shift } = this.#pool.entries
    return firstMs[this.#chains.slotOf(this.indexOrdinal) >>> shift]!
  }

  /**
   * Empties the window and restarts at `offset`. `generation` is that of the record before it, or
   * `unknownGeneration`.
   */
  start(offset: number, generation: number): void {
    this.#clear()
    this.head = offset
    this.tail = offset
    this.indexTail = offset
    this.#history.start(offset, generation)
    this.#losses.clear()
  }

  /** Returns a new window that takes its memory from the same pool. */
  sibling(): Window {
    return new Window(this.#pool)
  }

  /** Declares that nothing more is appended: all slabs may be taken. */
  seal(): void {
    this.#payloadHolder.isSealed = true
    this.#entryHolder.isSealed = true
  }

  /** Gives all slabs back to the pool. The window must not be used afterwards. */
  close(): void {
    this.#clear()
    this.#arena.tier.leave(this.#payloadHolder)
    this.#pool.entries.tier.leave(this.#entryHolder)
  }

  /** Returns whether an event of `eventBytes` can be appended without eviction. */
  hasRoom(eventBytes: number): boolean {
    const units = Math.ceil((eventBytes + slackBytes) / unit)
    if (!this.#chains.isOpen && this.#pool.entries.tier.free === 0) return false
    return this.#payloads.fits(units) || (this.#arena.tier.free > 0 && units <= this.#arena.slabUnits)
  }

  /**
   * Copies the record in and returns its ordinal. Evicts the oldest records as needed, from this
   * window or another one. `offset` must be at least `head`. Throws `event_too_large` for an
   * event that doesn't fit in a slab; callers refuse such events earlier.
   */
  append(record: NewEntry): number {
    if (record.offset < this.head) throw new Error(`append of offset ${record.offset} below the head ${this.head}`)
    const units = this.#unitsOf(record)
    // Open the index slab first: it may come from this window, and then payloads are evicted too.
    if (!this.#chains.isOpen) this.#openEntries(record.timeMs)
    if (!this.#payloads.fits(units)) this.#openPayloads()
    const place = this.#payloads.reserve(units)
    this.#copyIn(record, place)
    const slot = this.#chains.add(record.offset, record.hash, place)
    this.#history.appended(slot, record.offset, record.generation)
    this.head = record.offset + 1
    return this.headOrdinal - 1
  }

  /**
   * Moves the head to `next` without an entry: everything up to there is a marker, compacted or
   * unusable. `generation`, if given, is that of the offset right below `next`.
   */
  advance(next: number, generation = unknownGeneration): void {
    if (next <= this.head) return
    if (generation !== unknownGeneration) this.#history.passed(next - 1, generation)
    this.head = next
  }

  /** Notes that [from, to] is unavailable, for readers that pass through the window. */
  lost(from: number, to: number, reason: LostReason): void {
    const forgotten = this.#losses.add({ from, to, reason })
    // A loss that is no longer remembered must be below the window, where reads from the broker
    // report it.
    if (forgotten !== undefined && forgotten.to >= this.indexTail) this.#dropBelow(forgotten.to + 1)
    if (to < this.head) return
    this.#history.unread(from)
    this.advance(to + 1)
  }

  /**
   * Drops all records: they may be incomplete, so readers must read them from the broker again.
   * Generations and head stay.
   */
  forget(): void {
    this.#dropBelow(this.head)
  }

  /** Drops all records from `offset` on: the log was rewritten there. */
  truncate(offset: number): void {
    while (this.#chains.oldestOrdinal < this.headOrdinal && this.offsetOf(this.headOrdinal - 1) >= offset)
      this.#dropNewest()
    if (this.size === 0) this.#payloads.releaseBelow(this.headOrdinal, this.headOrdinal)
    this.#history.truncate(offset)
    this.#losses.truncate(offset)
    this.head = Math.min(this.head, offset)
    this.tail = Math.min(this.tail, offset)
    this.indexTail = Math.min(this.indexTail, offset)
  }

  // Reading

  /** Returns the first remembered loss that ends at or above `offset`. */
  nextLost(offset: number): Lost | undefined {
    return this.#losses.next(offset)
  }

  /**
   * Returns the ordinal of the first entry in the index at or above `offset`; `headOrdinal` if
   * none.
   */
  lowerBound(offset: number): number {
    return this.#chains.lowerBound(offset)
  }

  /** Fills `out`. `ordinal` must be at least `tailOrdinal`. */
  load(ordinal: number, out: StoredEntry): void {
    const { offsets, hashes, places } = this.#pool.entries
    const slot = this.#chains.slotOf(ordinal)
    const place = places[slot]!
    const { bytes, times, words } = this.#arena.piece(place)
    const at = this.#arena.within(place)
    const start = at * unit + headerBytes
    const lengths = words[at * 2 + 2]!
    const subject = words[at * 2 + 3]!
    const end = start + (lengths >>> 8)
    const trace = lengths & 255
    out.buffer = bytes
    out.eventStart = start
    out.eventEnd = end
    out.subjectStart = start + (subject >>> 8)
    out.subjectEnd = out.subjectStart + (subject & 255)
    out.traceStart = trace === 0 ? absent : end
    out.traceEnd = trace === 0 ? absent : end + trace
    out.offset = offsets[slot]!
    out.timeMs = times[at]!
    out.hash = hashes[slot]!
    out.generation = this.#history.ofEntry(ordinal, out.offset, this.head)
  }

  offsetOf(ordinal: number): number {
    return this.#chains.offsetOf(ordinal)
  }

  hashOf(ordinal: number): number {
    return this.#chains.hashOf(ordinal)
  }

  /** Returns the ordinal of the newest entry with this hash, or `noEntry`. */
  newest(hash: number): number {
    return this.#chains.newest(hash)
  }

  /** Returns the previous entry with the same hash that is still in the index, or `noEntry`. */
  previous(ordinal: number): number {
    return this.#chains.previous(ordinal)
  }

  /** Returns the next entry with the same hash, or `noEntry`. */
  following(ordinal: number): number {
    return this.#chains.following(ordinal)
  }

  /**
   * Returns the first entry with this hash at or above `offset`, `noEntry`, or `tooMany` if the
   * search would take more than `maxSteps`. A caller that asks right after an entry of that hash,
   * as a reader does, gets the answer by binary search.
   */
  firstSince(hash: number, offset: number, maxSteps: number = maxChainSteps): number {
    return this.#chains.firstSince(hash, offset, maxSteps)
  }

  /**
   * Returns the generation of the position `offset`: that of the last record below it;
   * `unknownGeneration` if this window doesn't know it.
   */
  generationAt(offset: number): number {
    return this.#history.at(offset, this.head)
  }

  /** See `History`. */
  divergence(offset: number, generation: number): number {
    return this.#history.divergence(offset, generation, this.head)
  }

  /** See `History`. */
  mayBegin(before: number, after: number): boolean {
    return this.#history.mayBegin(before, after)
  }

  /** See `History`. */
  doubtfulFrom(offset: number, generation: number): number {
    return this.#history.doubtfulFrom(offset, generation, this.head)
  }

  /** See `History`. */
  hasOlder(offset: number, generation: number): boolean {
    return this.#history.hasOlder(offset, generation)
  }

  // Slabs

  #unitsOf(record: NewEntry): number {
    const length = record.eventEnd - record.eventStart
    const units = Math.ceil((headerBytes + length + traceLength(record)) / unit)
    if (length <= maxEventBytes && units <= this.#arena.slabUnits) return units
    const message = `an event of ${length} bytes does not fit in a slab of ${this.#arena.slabBytes} bytes`
    throw new CarillonError('event_too_large', message)
  }

  #openEntries(timeMs: number): void {
    this.#chains.open(this.#pool.entries.tier.take(this.#entryHolder, this.#nowMs()), timeMs)
  }

  #openPayloads(): void {
    this.#payloads.open(this.#arena.tier.take(this.#payloadHolder, this.#nowMs()), this.headOrdinal)
  }

  #nowMs(): number {
    return this.#pool.nowMs() - this.behindMs
  }

  #copyIn(record: NewEntry, place: number): void {
    const { bytes, times, words } = this.#arena.piece(place)
    const at = this.#arena.within(place)
    const start = at * unit + headerBytes
    const length = record.eventEnd - record.eventStart
    const trace = traceLength(record)
    times[at] = record.timeMs
    words[at * 2 + 2] = (length << 8) | trace
    words[at * 2 + 3] = (record.subjectAt << 8) | record.subjectLength
    record.buffer.copy(bytes, start, record.eventStart, record.eventEnd)
    if (trace > 0) record.traceBuffer.copy(bytes, start + length, record.traceStart, record.traceEnd)
  }

  #giveUpPayloads(): void {
    this.#evictPayloads(this.#payloads.endOfOldest(this.headOrdinal))
  }

  #giveUpEntries(): void {
    this.#evictEntries(this.#chains.endOfOldest)
  }

  /** Evicts the payloads of ordinals below `to`. */
  #evictPayloads(to: number): void {
    if (to > this.tailOrdinal) {
      this.tail = this.offsetOf(to - 1) + 1
      this.tailOrdinal = to
    }
    this.#payloads.releaseBelow(to, this.headOrdinal)
  }

  /** Evicts the entries, and payloads, of ordinals below `to`. */
  #evictEntries(to: number): void {
    this.#evictPayloads(to)
    if (to > this.indexOrdinal) this.indexTail = this.offsetOf(to - 1) + 1
    this.#chains.dropBelow(to)
    this.#losses.dropBelow(this.indexTail)
  }

  #dropBelow(offset: number): void {
    const to = this.lowerBound(offset)
    if (this.#history.isInEntries) {
      this.#evictPayloads(to)
      this.#chains.unchainBelow(to)
    } else this.#evictEntries(to)
    this.indexTail = offset
    this.tail = Math.max(this.tail, offset)
  }

  #dropNewest(): void {
    const ordinal = this.headOrdinal - 1
    if (ordinal < this.tailOrdinal) this.tailOrdinal = ordinal
    else this.#payloads.rewind(ordinal, this.#chains.placeOf(ordinal))
    this.#chains.dropNewest()
  }

  #clear(): void {
    this.#chains.clear()
    this.tailOrdinal = this.headOrdinal
    this.#payloads.releaseBelow(this.headOrdinal, this.headOrdinal)
  }
}

function traceLength(record: NewEntry): number {
  return record.traceStart < 0 ? 0 : Math.min(255, record.traceEnd - record.traceStart)
}
