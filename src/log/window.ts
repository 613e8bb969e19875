import { absent } from '../base/byte-range.ts'
import { CarillonError } from '../base/errors.ts'
import { unknownGeneration } from '../base/generation.ts'
import { Chains, maxChainSteps } from './chains.ts'
import type { Loaded, NewEntry } from './entry.ts'
import { Epochs } from './epochs.ts'
import type { History } from './history.ts'
import { Losses, type Lost } from './losses.ts'
import { type PayloadArena, unit } from './payload-arena.ts'
import { Payloads } from './payloads.ts'
import type { LostReason } from './record.ts'
import { RecordTimes } from './record-times.ts'
import type { SlabHolder } from './slab-tier.ts'
import { slackBytes, type WindowPool } from './window-pool.ts'

export interface WindowOptions {
  /** Where its memory is from; all partitions share one. */
  readonly pool: WindowPool
  /** Seed of the hashes that the records carry: whoever appends hashes with it. */
  readonly seed: number
}

/** An event's length has 24 bits in the index, a subject's place in it too. */
const maxEventBytes = 2 ** 24 - 1
/** Before each payload: record time (float64), lengths and subject's place (uint32 each). */
const headerBytes = 16

/**
 * The newest stretch of one partition, in two tiers: payloads, and an index that reaches further back. Both lie in slabs of a pool that
 * windows share: where the pool has none left, the oldest slab of all is taken, so a record's append may shorten *another* window.
 *
 * The index chains records by the hash of their subject. It knows no subjects, so its "nothing since" is exact and its
 * "something" is a hint: subjects that share a hash share a chain, and whoever delivers compares the subject's bytes.
 *
 * An entry is named by its ordinal. Ordinals go up by one with each append and are good until any window of the pool changes; whoever
 * comes back later comes with an offset. Evicting moves `indexOrdinal`, and nothing below it is followed: a reused slot never leads into
 * another chain.
 */
export class Window {
  /** Next offset: every record below it was appended, was a hole, or was told lost. */
  head = 0
  /** Payloads are complete from here: each record of the log in [tail, head) can be loaded. */
  tail = 0
  /** The index is complete from here: it has an entry for each record in [indexTail, head). At most `tail`. */
  indexTail = 0
  /** The oldest ordinal that can be loaded. */
  tailOrdinal = 0
  /** How long ago what is appended now was written, ms; 0 = just now. By it a slab is as old as what it holds. */
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
    this.#history = times === undefined ? new Epochs(this.#losses) : new RecordTimes(times, this.#chains, this.#losses)
    this.#payloadHolder = { slabs: this.#payloads.slabs, isSealed: false, giveUpOldest: () => this.#giveUpPayloads() }
    this.#entryHolder = { slabs: this.#chains.slabs, isSealed: false, giveUpOldest: () => this.#giveUpEntries() }
    payloads.tier.join(this.#payloadHolder)
    entries.tier.join(this.#entryHolder)
  }

  /** Ordinal of the next append. */
  get headOrdinal(): number {
    return this.#chains.headOrdinal
  }

  /** The oldest ordinal that readers are shown. */
  get indexOrdinal(): number {
    return this.#chains.firstOrdinal
  }

  /** Of the newest record that is in the index, also where readers are not to see it any more; -1 = there is none. */
  get newestOffset(): number {
    const { oldestOrdinal, headOrdinal } = this.#chains
    return oldestOrdinal < headOrdinal ? this.offsetOf(headOrdinal - 1) : -1
  }

  /** Records that can be loaded. */
  get size(): number {
    return this.headOrdinal - this.tailOrdinal
  }

  /** Records that the index has for readers. */
  get indexed(): number {
    return this.headOrdinal - this.indexOrdinal
  }

  /** Records that the index of its pool holds, for all windows, and how many each of them has an equal part in. */
  get capacity(): number {
    return this.#pool.entries.slots
  }

  get shareEntries(): number {
    return this.capacity / this.#pool.windows
  }

  /** Bytes of its pool for payloads, for all windows, and the equal part of each. */
  get payloadBytes(): number {
    return this.#arena.tier.size * this.#arena.slabBytes
  }

  get shareBytes(): number {
    return this.payloadBytes / this.#pool.windows
  }

  /** Bytes of payload slabs from the oldest payload to the write place: what is in use, skipped ends included. */
  get usedBytes(): number {
    if (this.size === 0) return 0
    return this.#payloads.usedSince(this.#chains.placeOf(this.tailOrdinal)) * unit
  }

  /** Slabs that it holds. */
  get payloadSlabs(): number {
    return this.#payloads.slabs.count
  }

  get indexSlabs(): number {
    return this.#chains.slabs.count
  }

  /** Bytes of index slabs. */
  get indexBytes(): number {
    return this.indexSlabs * this.#pool.entries.slabBytes
  }

  /** Record time of the oldest payload, ms; undefined = there is none. */
  get oldestMs(): number | undefined {
    if (this.size === 0) return undefined
    const place = this.#chains.placeOf(this.tailOrdinal)
    return this.#arena.piece(place).times[this.#arena.within(place)]!
  }

  /** Record time of about the oldest entry, of the first one in its slab, ms; undefined = there is none. */
  get indexOldestMs(): number | undefined {
    if (this.indexed === 0) return undefined
    const { firstMs, shift } = this.#pool.entries
    return firstMs[this.#chains.slotOf(this.indexOrdinal) >>> shift]!
  }

  /** Empty, from `offset` on; `epoch` is that of the record before it, `unknownGeneration` where that is not known. */
  start(offset: number, epoch: number): void {
    this.#clear()
    this.head = offset
    this.tail = offset
    this.indexTail = offset
    this.#history.start(offset, epoch)
    this.#losses.clear()
  }

  /** Another one, with its memory from the same pool. */
  sibling(): Window {
    return new Window(this.#pool)
  }

  /** Nothing is appended any more: all that it has may be taken. */
  seal(): void {
    this.#payloadHolder.isSealed = true
    this.#entryHolder.isSealed = true
  }

  /** Gives all back to the pool; not to be used any more. */
  close(): void {
    this.#clear()
    this.#arena.tier.leave(this.#payloadHolder)
    this.#pool.entries.tier.leave(this.#entryHolder)
  }

  /** Whether an event of so many bytes can be appended without evicting anything. */
  hasRoom(eventBytes: number): boolean {
    const units = Math.ceil((eventBytes + slackBytes) / unit)
    if (!this.#chains.isOpen && this.#pool.entries.tier.free === 0) return false
    return this.#payloads.fits(units) || (this.#arena.tier.free > 0 && units <= this.#arena.slabUnits)
  }

  /**
   * Copies the record in, evicts the oldest as needed, from this window or another one, and returns its ordinal. `offset` must be ≥
   * head. Throws `event_too_large` for an event that a slab can't hold: callers refuse such events earlier.
   */
  append(record: NewEntry): number {
    if (record.offset < this.head) throw new Error(`append of offset ${record.offset} below the head ${this.head}`)
    const units = this.#unitsOf(record)
    // The index first: its slab may be one of this window's, whose payloads then go as well.
    if (!this.#chains.isOpen) this.#openEntries(record.timeMs)
    if (!this.#payloads.fits(units)) this.#openPayloads()
    const place = this.#payloads.reserve(units)
    this.#copyIn(record, place)
    const slot = this.#chains.add(record.offset, record.hash, place)
    this.#history.appended(slot, record.offset, record.epoch)
    this.head = record.offset + 1
    return this.headOrdinal - 1
  }

  /** There is nothing more below `next`: markers, compacted and unusable records are passed, the last one of `epoch` where given. */
  advance(next: number, epoch = unknownGeneration): void {
    if (next <= this.head) return
    if (epoch !== unknownGeneration) this.#history.passed(next - 1, epoch)
    this.head = next
  }

  /** [from, to] can't be had any more; remembered for readers on their way through the window. */
  lost(from: number, to: number, reason: LostReason): void {
    const forgotten = this.#losses.add({ from, to, reason })
    // What is remembered no longer is told by whoever reads that stretch from the broker.
    if (forgotten !== undefined && forgotten.to >= this.indexTail) this.#dropBelow(forgotten.to + 1)
    if (to < this.head) return
    this.#history.unread(from)
    this.advance(to + 1)
  }

  /** What was read cannot be trusted to be all that there is: readers of it get it anew. Its generations and the head stay. */
  forget(): void {
    this.#dropBelow(this.head)
  }

  /** The log was rewritten from `offset` on: what was read of it since is dropped. */
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

  /** The first remembered loss whose end is ≥ offset. */
  nextLost(offset: number): Lost | undefined {
    return this.#losses.next(offset)
  }

  /** Ordinal of the index's first entry whose offset is ≥ `offset`; headOrdinal when there is none. */
  lowerBound(offset: number): number {
    return this.#chains.lowerBound(offset)
  }

  /** `ordinal` must be at least `tailOrdinal`. */
  load(ordinal: number, out: Loaded): void {
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
    out.epoch = this.#history.ofEntry(ordinal, out.offset, this.head)
  }

  offsetOf(ordinal: number): number {
    return this.#chains.offsetOf(ordinal)
  }

  hashOf(ordinal: number): number {
    return this.#chains.hashOf(ordinal)
  }

  /** Ordinal of the newest entry with this hash; `noEntry` = none. */
  newest(hash: number): number {
    return this.#chains.newest(hash)
  }

  /** The previous entry with the same hash that is still there; `noEntry` = none. */
  previous(ordinal: number): number {
    return this.#chains.previous(ordinal)
  }

  /** The next entry with the same hash; `noEntry` = none. */
  following(ordinal: number): number {
    return this.#chains.following(ordinal)
  }

  /**
   * The first entry with this hash whose offset is ≥ `offset`, -1 = none, -2 = there are too many to find it cheaply. Who
   * asks from right behind an entry of that hash, as a reader that goes on does, has it by binary search.
   */
  firstSince(hash: number, offset: number, maxSteps: number = maxChainSteps): number {
    return this.#chains.firstSince(hash, offset, maxSteps)
  }

  /** The generation of the position `offset`: that of the last record below it; `unknownGeneration` where this window doesn't know it. */
  generationAt(offset: number): number {
    return this.#history.at(offset, this.head)
  }

  /** Where the log stops being the one of a position (`offset`, `generation`); Infinity where nothing speaks against it. */
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
    const said = `an event of ${length} bytes does not fit in a slab of ${this.#arena.slabBytes} bytes`
    throw new CarillonError('event_too_large', said)
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

  /** Of the ordinals below `to`. */
  #evictPayloads(to: number): void {
    if (to > this.tailOrdinal) {
      this.tail = this.offsetOf(to - 1) + 1
      this.tailOrdinal = to
    }
    this.#payloads.releaseBelow(to, this.headOrdinal)
  }

  /** Of the ordinals below `to`. */
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
