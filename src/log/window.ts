import { CarillonError } from '../base/errors.ts'
import { Epochs } from './epochs.ts'
import { Losses, type Lost, type LostReason } from './losses.ts'
import type { Generations } from './record.ts'
import { RecordTimes } from './record-times.ts'
import { SubjectTable } from './subject-table.ts'

export interface WindowOptions {
  /** Payload ring, bytes: events, their traceparents and 16 bytes each. At least four of the largest events should fit. */
  readonly payloadBytes: number
  /** Records that the index holds; rounded up to a power of two. 32 bytes each. */
  readonly entries: number
  /** Seed of the hashes that the records carry: whoever appends hashes with it. */
  readonly seed: number
  /** What the records' `epoch` is; `epochs` unless given. `times` takes 4 bytes a record more. */
  readonly generations?: Generations
}

/** What `append` takes; one object is reused. `subjectAt` counts from `eventStart`: the subject's bytes lie inside the event's. */
export interface Appended {
  buffer: Buffer
  eventStart: number
  eventEnd: number
  subjectAt: number
  subjectLength: number
  traceBuffer: Buffer
  /** -1 = none. */
  traceStart: number
  traceEnd: number
  offset: number
  timeMs: number
  epoch: number
  hash: number
}

/** What `load` fills: bounds in the ring, valid until the window changes. */
export interface Loaded {
  buffer: Buffer
  eventStart: number
  eventEnd: number
  subjectStart: number
  subjectEnd: number
  /** -1 = none. */
  traceStart: number
  traceEnd: number
  offset: number
  timeMs: number
  hash: number
  /** Epoch of this record: the generation of the position behind it; -1 unknown. */
  epoch: number
}

export function loaded(): Loaded {
  return {
    buffer: Buffer.alloc(0),
    eventStart: 0,
    eventEnd: 0,
    subjectStart: 0,
    subjectEnd: 0,
    traceStart: -1,
    traceEnd: -1,
    offset: 0,
    timeMs: 0,
    hash: 0,
    epoch: -1,
  }
}

/** Payloads start at multiples of this, so that a place fits in 32 bits. */
const unit = 8
/** An event's length has 24 bits in the index, a subject's place in it too. */
const maxEventBytes = 2 ** 24 - 1
/** Before each payload, in the ring: record time (float64), lengths and subject's place (uint32 each). */
const headerBytes = 16
/** What an event may take in the ring beside its own bytes: its header, a traceparent and the padding. */
const slackBytes = headerBytes + 256 + unit
/** How far a chain is followed back before a reader had better scan forward: bounds what one question costs. */
const maxChainSteps = 4096

/**
 * The newest stretch of one partition, in two tiers: a ring of payloads, and an index that reaches further back. Flat memory
 * outside of the JS heap: 24 bytes of index and 8 of table a record.
 *
 * The index chains records by the hash of their subject. It knows no subjects, so its "nothing since" is exact and its
 * "something" is a hint: subjects that share a hash share a chain, and whoever delivers compares the subject's bytes.
 *
 * An entry is named by its ordinal. Ordinals count appends and are good until the window changes; whoever comes back later
 * comes with an offset. Evicting moves `indexOrdinal`, and nothing below it is followed: a reused slot never leads into
 * another chain.
 */
export class Window {
  /** Next offset: every record below it was appended, was a hole, or was told lost. */
  head = 0
  /** Payloads are complete from here: each record of the log in [tail, head) can be loaded. */
  tail = 0
  /** The index is complete from here: it has an entry for each record in [indexTail, head). At most `tail`. */
  indexTail = 0
  /** Ordinal of the next append. */
  headOrdinal = 0
  /** The oldest ordinal that can be loaded. */
  tailOrdinal = 0
  /** The oldest ordinal that the index has. */
  indexOrdinal = 0
  readonly #ring: Buffer
  /** The ring again, for the headers. */
  readonly #times: Float64Array
  readonly #words: Uint32Array
  readonly #ringUnits: number
  /** Where the next payload goes, in units. */
  #write = 0
  readonly #mask: number
  readonly #offsets: Float64Array
  readonly #hashes: Uint32Array
  /** The header's start in the ring, in units. */
  readonly #places: Uint32Array
  /** Distance in ordinals to the hash's previous and next entry; 0 = none. */
  readonly #previous: Uint32Array
  readonly #next: Uint32Array
  readonly #newest: SubjectTable
  readonly #epochs = new Epochs()
  /** Where a loss begins that reaches up to the head: a later epoch may begin in it, unseen; -1 = none. */
  #unseenFrom = -1
  /** Instead of epochs, where generations are times. */
  readonly #recordTimes: RecordTimes | undefined
  readonly #losses = new Losses()

  constructor(options: WindowOptions) {
    const capacity = 2 ** Math.ceil(Math.log2(Math.max(2, options.entries)))
    this.#mask = capacity - 1
    this.#ringUnits = Math.floor(options.payloadBytes / unit)
    const ring = new ArrayBuffer(this.#ringUnits * unit)
    this.#ring = Buffer.from(ring)
    this.#times = new Float64Array(ring)
    this.#words = new Uint32Array(ring)
    this.#offsets = new Float64Array(capacity)
    this.#hashes = new Uint32Array(capacity)
    this.#places = new Uint32Array(capacity)
    this.#previous = new Uint32Array(capacity)
    this.#next = new Uint32Array(capacity)
    this.#newest = new SubjectTable(this.#hashes)
    if (options.generations === 'times') this.#recordTimes = new RecordTimes(capacity)
  }

  /** Records that can be loaded. */
  get size(): number {
    return this.headOrdinal - this.tailOrdinal
  }

  /** Records that the index has. */
  get indexed(): number {
    return this.headOrdinal - this.indexOrdinal
  }

  get capacity(): number {
    return this.#mask + 1
  }

  get payloadBytes(): number {
    return this.#ring.length
  }

  /** Bytes of the ring from the oldest payload to the write place: what is in use, skipped ends included. */
  get usedBytes(): number {
    if (this.size === 0) return 0
    const used = this.#write - this.#places[this.tailOrdinal & this.#mask]!
    return (used > 0 ? used : used + this.#ringUnits) * unit
  }

  /** Empty, from `offset` on; `epoch` is that of the record before it, -1 where unknown. */
  start(offset: number, epoch: number): void {
    this.tailOrdinal = this.headOrdinal
    this.indexOrdinal = this.headOrdinal
    this.head = offset
    this.tail = offset
    this.indexTail = offset
    this.#write = 0
    this.#newest.clear()
    this.#unseenFrom = -1
    this.#epochs.start(offset, epoch)
    this.#losses.clear()
  }

  /** Whether an event of so many bytes can be appended without evicting anything. */
  hasRoom(eventBytes: number): boolean {
    if (this.indexed > this.#mask) return false
    if (this.size === 0) return eventBytes + slackBytes <= this.#ring.length
    const oldest = this.#places[this.tailOrdinal & this.#mask]!
    // The write place meets the ring's end, or, in a later lap, the oldest payload.
    const end = oldest < this.#write ? this.#ringUnits : oldest
    return eventBytes + slackBytes <= (end - this.#write) * unit
  }

  /**
   * Copies the record in, evicts the oldest as needed, and returns its ordinal. `offset` must be ≥ head. Throws
   * `event_too_large` for an event that the ring can't hold: callers refuse such events earlier.
   */
  append(record: Appended): number {
    if (record.offset < this.head) throw new Error(`append of offset ${record.offset} below the head ${this.head}`)
    const place = this.#copyIn(record)
    if (this.indexed > this.#mask) this.#evictEntry()
    const ordinal = this.headOrdinal
    const slot = ordinal & this.#mask
    this.#offsets[slot] = record.offset
    this.#places[slot] = place
    this.#next[slot] = 0
    this.headOrdinal = ordinal + 1
    this.#chain(ordinal, slot, record.hash)
    if (this.#recordTimes === undefined) this.#noteEpoch(record.offset, record.epoch)
    else this.#recordTimes.set(ordinal, record.epoch)
    this.head = record.offset + 1
    return ordinal
  }

  /** There is nothing more below `next`: markers, compacted and unusable records are passed, the last one of `epoch` where given. */
  advance(next: number, epoch = -1): void {
    if (next <= this.head) return
    if (epoch >= 0 && this.#recordTimes === undefined) this.#noteEpoch(next - 1, epoch)
    this.head = next
  }

  /** [from, to] can't be had any more; remembered for readers on their way through the window. */
  lost(from: number, to: number, reason: LostReason): void {
    const forgotten = this.#losses.add({ from, to, reason })
    // What is remembered no longer is told by whoever reads that stretch from the broker.
    if (forgotten !== undefined && forgotten.to >= this.indexTail) this.#dropBelow(forgotten.to + 1)
    if (to < this.head) return
    if (this.#unseenFrom < 0) this.#unseenFrom = from
    this.advance(to + 1)
  }

  /** What was read cannot be trusted to be all that there is: readers of it get it anew. Epochs and the head stay. */
  forget(): void {
    this.#dropBelow(this.head)
  }

  /** The log was rewritten from `offset` on: what was read of it since is dropped. */
  truncate(offset: number): void {
    while (this.indexed > 0 && this.#offsets[(this.headOrdinal - 1) & this.#mask]! >= offset) this.#dropNewest()
    this.#unseenFrom = -1
    this.#epochs.truncate(offset)
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
    let low = this.indexOrdinal
    let high = this.headOrdinal
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      if (this.#offsets[middle & this.#mask]! < offset) low = middle + 1
      else high = middle
    }
    return low
  }

  /** `ordinal` must be at least `tailOrdinal`. */
  load(ordinal: number, out: Loaded): void {
    const slot = ordinal & this.#mask
    const place = this.#places[slot]!
    const start = place * unit + headerBytes
    const lengths = this.#words[place * 2 + 2]!
    const subject = this.#words[place * 2 + 3]!
    const end = start + (lengths >>> 8)
    const trace = lengths & 255
    out.buffer = this.#ring
    out.eventStart = start
    out.eventEnd = end
    out.subjectStart = start + (subject >>> 8)
    out.subjectEnd = out.subjectStart + (subject & 255)
    out.traceStart = trace === 0 ? -1 : end
    out.traceEnd = trace === 0 ? -1 : end + trace
    out.offset = this.#offsets[slot]!
    out.timeMs = this.#times[place]!
    out.hash = this.#hashes[slot]!
    out.epoch = this.#recordTimes?.at(ordinal) ?? this.#epochs.before(out.offset + 1, this.head)
  }

  offsetOf(ordinal: number): number {
    return this.#offsets[ordinal & this.#mask]!
  }

  hashOf(ordinal: number): number {
    return this.#hashes[ordinal & this.#mask]!
  }

  /** Ordinal of the newest entry with this hash, -1 = none. */
  newest(hash: number): number {
    const slot = this.#newest.at(this.#placeOf(hash))
    return slot < 0 ? -1 : this.#ordinalIn(slot)
  }

  /** The previous entry with the same hash that is still there, -1 = none. */
  previous(ordinal: number): number {
    const distance = this.#previous[ordinal & this.#mask]!
    if (distance === 0 || ordinal - distance < this.indexOrdinal) return -1
    return ordinal - distance
  }

  /** The next entry with the same hash, -1 = none. */
  following(ordinal: number): number {
    const distance = this.#next[ordinal & this.#mask]!
    return distance === 0 ? -1 : ordinal + distance
  }

  /**
   * The first entry with this hash whose offset is ≥ `offset`, -1 = none, -2 = there are too many to find it cheaply. Who
   * asks from right behind an entry of that hash, as a reader that goes on does, has it by binary search.
   */
  firstSince(hash: number, offset: number): number {
    let at = this.newest(hash)
    if (at < 0 || this.offsetOf(at) < offset) return -1
    const before = this.lowerBound(offset - 1)
    if (this.offsetOf(before) === offset - 1 && this.hashOf(before) === hash) return this.following(before)
    for (let steps = 0; steps < maxChainSteps; steps++) {
      const earlier = this.previous(at)
      if (earlier < 0 || this.offsetOf(earlier) < offset) return at
      at = earlier
    }
    return -2
  }

  /** The generation of the position `offset`: that of the last record below it; -1 where this window doesn't know it. */
  generationAt(offset: number): number {
    if (this.#recordTimes === undefined) {
      return this.#unseenFrom >= 0 && offset > this.#unseenFrom ? -1 : this.#epochs.before(offset, this.head)
    }
    const ordinal = this.lowerBound(offset - 1)
    // A record of another offset may have been deleted elsewhere: only the one right below says something.
    if (ordinal === this.headOrdinal || this.offsetOf(ordinal) !== offset - 1) return -1
    return this.#recordTimes.at(ordinal)
  }

  /** Where the log stops being the one of a position (`offset`, `generation`); Infinity where nothing speaks against it. */
  divergence(offset: number, generation: number): number {
    if (this.#recordTimes === undefined) return this.#epochs.end(generation) ?? Number.POSITIVE_INFINITY
    const own = this.generationAt(offset)
    if (own === generation) return Number.POSITIVE_INFINITY
    if (own < 0) return offset > this.head ? this.#firstYounger(generation) : Number.POSITIVE_INFINITY
    const ordinal = this.#recordTimes.firstAfter(generation, this.indexOrdinal, this.lowerBound(offset) - 1)
    return this.offsetOf(ordinal)
  }

  /** Of a position beyond the head, with the time of the record below it: all that is here was there before that one. */
  #firstYounger(time: number): number {
    if (this.#recordTimes === undefined || this.indexed === 0) return Number.POSITIVE_INFINITY
    const ordinal = this.#recordTimes.firstAfter(time, this.indexOrdinal, this.headOrdinal - 1)
    return this.#recordTimes.isYounger(ordinal, time) ? this.offsetOf(ordinal) : Number.POSITIVE_INFINITY
  }

  #noteEpoch(offset: number, epoch: number): void {
    this.#epochs.note(offset, epoch, this.#unseenFrom < 0 ? offset : this.#unseenFrom)
    this.#unseenFrom = -1
  }

  // The ring

  /** Returns the place, in units. */
  #copyIn(record: Appended): number {
    const length = record.eventEnd - record.eventStart
    const trace = traceLength(record)
    const units = Math.ceil((headerBytes + length + trace) / unit)
    if (length > maxEventBytes || units > this.#ringUnits) {
      const said = `an event of ${length} bytes does not fit in a window of ${this.#ring.length} bytes`
      throw new CarillonError('event_too_large', said)
    }
    const place = this.#reserve(units)
    const start = place * unit + headerBytes
    this.#times[place] = record.timeMs
    this.#words[place * 2 + 2] = (length << 8) | trace
    this.#words[place * 2 + 3] = (record.subjectAt << 8) | record.subjectLength
    record.buffer.copy(this.#ring, start, record.eventStart, record.eventEnd)
    if (trace > 0) record.traceBuffer.copy(this.#ring, start + length, record.traceStart, record.traceEnd)
    return place
  }

  /** Payloads lie in order from the oldest's place to the write place, around the end of the ring. */
  #reserve(units: number): number {
    const places = this.#places
    if (this.#write + units > this.#ringUnits) {
      while (this.size > 0 && places[this.tailOrdinal & this.#mask]! >= this.#write) this.#evictPayload()
      this.#write = 0
    }
    const place = this.#write
    for (;;) {
      const oldest = places[this.tailOrdinal & this.#mask]!
      if (this.size === 0 || oldest < place || oldest >= place + units) break
      this.#evictPayload()
    }
    this.#write = place + units
    return place
  }

  #evictPayload(): void {
    this.tail = this.#offsets[this.tailOrdinal & this.#mask]! + 1
    this.tailOrdinal++
  }

  #evictEntry(): void {
    if (this.tailOrdinal === this.indexOrdinal) this.#evictPayload()
    const slot = this.indexOrdinal & this.#mask
    this.#newest.remove(slot)
    this.indexOrdinal++
    this.indexTail = this.#offsets[slot]! + 1
    this.#losses.dropBelow(this.indexTail)
  }

  #dropBelow(offset: number): void {
    while (this.indexed > 0 && this.#offsets[this.indexOrdinal & this.#mask]! < offset) this.#evictEntry()
    this.indexTail = offset
    this.tail = Math.max(this.tail, offset)
  }

  #dropNewest(): void {
    const payload = this.size > 0
    this.headOrdinal--
    const slot = this.headOrdinal & this.#mask
    const before = this.previous(this.headOrdinal)
    if (before < 0) this.#newest.remove(slot)
    else {
      this.#newest.replace(slot, before & this.#mask)
      this.#next[before & this.#mask] = 0
    }
    if (payload) this.#write = this.#places[slot]!
    else this.tailOrdinal = this.headOrdinal
  }

  // The chains

  #chain(ordinal: number, slot: number, hash: number): void {
    const place = this.#placeOf(hash)
    const other = this.#newest.at(place)
    const distance = other < 0 ? 0 : (ordinal - other) & this.#mask
    if (other >= 0) this.#next[other] = distance
    this.#previous[slot] = distance
    this.#hashes[slot] = hash
    this.#newest.set(place, slot)
  }

  /** The table's place of this hash: that of its newest entry, or the empty one where it belongs. */
  #placeOf(hash: number): number {
    let place = this.#newest.first(hash)
    for (let slot = this.#newest.at(place); slot >= 0 && this.#hashes[slot] !== hash; slot = this.#newest.at(place)) {
      place = this.#newest.following(place)
    }
    return place
  }

  /** The ordinal that a slot holds now. */
  #ordinalIn(slot: number): number {
    return this.headOrdinal - 1 - ((this.headOrdinal - 1 - slot) & this.#mask)
  }
}

function traceLength(record: Appended): number {
  return record.traceStart < 0 ? 0 : Math.min(255, record.traceEnd - record.traceStart)
}

export type { Lost, LostReason }
