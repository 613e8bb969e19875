import { crc32 } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import { unknownGeneration } from '../../base/generation.ts'
import type { SourceRecord } from '../../log/record.ts'
import { turnWeight } from '../turn-weight.ts'
import { codec, decompress, Unsupported } from './codecs.ts'
import { readInt64 } from './encoding.ts'
import type { AbortedTransaction, FetchedPartition } from './fetch-request.ts'
import { RecordParser } from './record-parser.ts'
import { RecordView } from './record-view.ts'

// A record batch of format 2 (https://kafka.apache.org/documentation/#recordbatch), byte offsets.
const lengthAt = 8
const epochAt = 12
const magicAt = 16
const crcAt = 17
const attributesAt = 21
const lastOffsetDeltaAt = 23
const baseTimeAt = 27
const maxTimeAt = 35
const producerIdAt = 43
const recordCountAt = 57
const headerBytes = 61
/** The batch length counts the bytes from here on. A cut-off header is not a batch. */
const lengthBase = 12

const logAppendTime = 0x08
const transactional = 0x10
const control = 0x20

// A message of format 0 or 1 (KIP-98 describes all three formats). Both formats begin with the
// offset, the length, a CRC-32, the format and the attributes.
const oldCrcAt = 12
/** Bytes of a message whose key and value are null. */
const oldHeaderBytes = 26

/**
 * Records examined in one step, weighted by `turnWeight`. A compressed batch of 1 MiB may hold a
 * million records, which take seconds to read.
 */
const stepRecords = 2048

/**
 * Outcome of one step through the record batches of an answer.
 * - `read`: the batch was delivered up to the requested end.
 * - `part`: the batch has more records; the next step continues with it.
 * - `damaged`: the checksum or the contents are wrong. `first` and `last` are the batch's offsets
 *   as far as they are known, limited to the end of the log.
 * - `unsupported`: the data up to `last` is intact, but in a format that Carillon does not read.
 * - `end`: the answer has no more batches, or its size limit cut the next one off.
 */
export type BatchOutcome = 'read' | 'part' | Unreadable | 'end'

export type Unreadable = 'damaged' | 'unsupported'

/** The part of an answer for one partition. */
export type Fetched = Pick<FetchedPartition, 'partition' | 'records' | 'aborted' | 'lastStableOffset'>

/**
 * Reads the record batches of one partition's answer, batch by batch. Verifies each checksum,
 * delivers the records from `from` on and below `to`, and leaves out transaction markers and
 * aborted records. No input makes it throw. An error that the sink throws propagates, and its
 * record counts as delivered.
 */
export class BatchDecoder {
  /** Offsets and leader epoch of the last batch examined. */
  first = 0
  last = 0
  epoch = 0
  /** Why the batch is damaged or unsupported, for people. */
  problem = ''
  /** The offset after the last record delivered or batch passed. */
  next = 0
  /** Records delivered, and records examined (weighted by `turnWeight`), since `begin`. */
  shown = 0
  looked = 0
  readonly #maxBatchBytes: number
  readonly #view = new RecordView()
  readonly #parser = new RecordParser()
  /** Ids of producers whose aborted transaction includes the current position. */
  readonly #aborted = new Set<number>()
  /** Aborted transactions that begin further on, in descending order of offset. */
  #ahead: AbortedTransaction[] = []
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  #to = 0
  /** The last stable offset: the end of the log for a read-committed reader. */
  #logEnd = 0
  /** Bounds of the next batch's epoch: no leader writes an older one than the batch before. */
  #leastEpoch = unknownGeneration
  #mostEpoch = Number.POSITIVE_INFINITY
  /**
   * The open batch: its position in the answer, the number of records left, and the base of their
   * times.
   */
  #batchAt = 0
  #left = 0
  /** Whether a batch of this answer ended at `next`: the following one can't start below it. */
  #isAtEnd = false
  #baseTimeMs = 0
  /** The batch's log append time, ms. -1 = each record has its own time. */
  #appendTimeMs = -1

  constructor(maxBatchBytes: number) {
    this.#maxBatchBytes = maxBatchBytes
  }

  begin({ partition, records, aborted, lastStableOffset }: Fetched, from: number, to = Number.MAX_SAFE_INTEGER): void {
    this.#view.partition = partition
    this.#bytes = records
    this.#at = 0
    this.#to = to
    this.#logEnd = lastStableOffset
    this.#aborted.clear()
    this.#ahead = aborted.length === 0 ? [] : [...aborted].sort((a, b) => b.firstOffset - a.firstOffset)
    this.next = from
    this.shown = 0
    this.looked = 0
    this.#left = 0
    this.#isAtEnd = false
    this.#leastEpoch = unknownGeneration
    this.#mostEpoch = Number.POSITIVE_INFINITY
  }

  /**
   * Sets the bounds of the batches' epochs, after `begin`: the epoch of the record below the
   * position, and that of the leader that answered; `unknownGeneration` = not known. No checksum
   * covers a batch's epoch: one out of these bounds is damaged, and the previous batch's counts.
   */
  boundEpochs(before: number, leader: number): void {
    this.#leastEpoch = before
    this.#mostEpoch = leader === unknownGeneration ? Number.POSITIVE_INFINITY : leader
  }

  /** Delivers nothing more of this answer. The sink may call it. */
  stop(): void {
    this.#to = 0
    this.#at = this.#bytes.length
    this.#left = 0
  }

  /**
   * Reads the next batch, or the next part of it. Does not move past a batch that cannot be read:
   * the caller begins with another answer.
   */
  step(sink: { record(record: SourceRecord): void }): BatchOutcome {
    if (this.#left > 0) return this.#showSome(sink)
    const bytes = this.#bytes
    const at = this.#at
    if (this.#oldEnd(at) > 0) return this.#passOld(at)
    if (at + headerBytes > bytes.length) return 'end'
    const end = at + lengthBase + bytes.readInt32BE(at + lengthAt)
    if (end < at + headerBytes || end > bytes.length) return 'end'
    this.first = readInt64(bytes, at)
    this.last = this.first + bytes.readInt32BE(at + lastOffsetDeltaAt)
    this.epoch = this.#boundedEpoch(bytes.readInt32BE(at + epochAt))
    if (!this.#checked(at, end)) {
      this.#boundDamage(at, end)
      return 'damaged'
    }
    if (this.#isMisplaced(end)) {
      const { first, next } = this
      this.last = this.#bounded(end, next + this.last - first)
      return 'damaged'
    }
    // Set before any record is delivered, because the sink may call `stop`.
    this.#at = end
    this.#batchAt = at
    const unreadable = this.#read(at, end)
    if (unreadable === undefined) return this.#showSome(sink)
    this.#at = at
    this.last = this.#bounded(end, this.last)
    return unreadable
  }

  #boundedEpoch(epoch: number): number {
    return epoch < this.#leastEpoch || epoch > this.#mostEpoch ? this.#leastEpoch : epoch
  }

  #showSome(sink: { record(record: SourceRecord): void }): BatchOutcome {
    if (!this.#show(sink)) {
      this.#at = this.#batchAt
      this.#left = 0
      return 'damaged'
    }
    if (this.#left > 0) return 'part'
    this.next = Math.max(this.next, Math.min(this.last + 1, this.#to))
    this.#leastEpoch = this.epoch
    this.#isAtEnd = this.last + 1 === this.next
    return 'read'
  }

  /**
   * Returns where the message of format 0 or 1 at `at` ends, or 0 if there is none. The message's
   * own checksum distinguishes it from damage.
   */
  #oldEnd(at: number): number {
    const bytes = this.#bytes
    if (at + oldHeaderBytes > bytes.length || bytes[at + magicAt]! > 1) return 0
    const end = at + lengthBase + bytes.readInt32BE(at + lengthAt)
    if (end < at + oldHeaderBytes || end > bytes.length) return 0
    return crc32(bytes.subarray(at + magicAt, end)) === bytes.readUInt32BE(at + oldCrcAt) ? end : 0
  }

  /**
   * Passes all consecutive messages of old formats. Each reports the offset of its last record,
   * which no checksum covers; the batch that follows limits it.
   */
  #passOld(at: number): 'read' | 'unsupported' {
    const bytes = this.#bytes
    this.problem = `unsupported message format v${bytes[at + magicAt]}`
    this.first = this.next
    this.last = -1
    this.epoch = unknownGeneration
    let from = at
    for (let end = this.#oldEnd(at); end > 0; end = this.#oldEnd(end)) {
      this.last = Math.max(this.last, readInt64(bytes, from))
      from = end
    }
    if (this.last < this.next) {
      this.#at = from
      return 'read'
    }
    this.last = this.#bounded(from, (this.#following(from) ?? this.last + 1) - 1)
    return 'unsupported'
  }

  #checked(at: number, end: number): boolean {
    const bytes = this.#bytes
    const magic = bytes[at + magicAt]!
    if (magic !== 2) return this.#damaged(`unsupported message format v${magic}, or damage`)
    const expected = bytes.readUInt32BE(at + crcAt)
    const got = crc32c(bytes.subarray(at + attributesAt, end))
    if (got !== expected) return this.#damaged(`expected checksum ${hex(expected)}, got ${hex(got)}`)
    if (this.last < this.first) return this.#damaged('its last offset is below its first')
    return true
  }

  /**
   * Limits the extent of a batch with a wrong checksum. Its header counts only if the following
   * batch agrees, or, at the end of the answer, if its record count agrees. Otherwise a damaged
   * header could mark everything up to the head as damaged.
   */
  #boundDamage(at: number, end: number): void {
    const { first, last } = this
    const isCounted = this.#bytes.readInt32BE(at + recordCountAt) === last - first + 1
    const isKnown = this.#following(end) !== undefined || (isCounted && last < this.#logEnd)
    this.last = this.#bounded(end, isKnown ? last : this.next)
  }

  /**
   * Whether a batch with a correct checksum reports a wrong position, since no checksum covers
   * its first offset. A batch continues where the previous one ended, or after a hole, and ends
   * below the following batch and below the end of the log. A batch that is wholly below the
   * position is sound if it leads up to the position.
   */
  #isMisplaced(end: number): boolean {
    const { first, last, next } = this
    const following = this.#following(end)
    const isBeyond = first > next && (last >= this.#logEnd || (following !== undefined && last >= following))
    const isMissed = next < this.#logEnd && (following === undefined || following > next)
    const isBelow = last < next ? isMissed : first < next && this.#isAtEnd
    if (!isBeyond && !isBelow) return false
    const where = isBeyond ? 'beyond the offset of what follows it' : 'below the end of what precedes it'
    this.#damaged(`its first offset, ${first}, is ${where}`)
    return true
  }

  /** Returns the offset in the header at `end`, or undefined at the end of the answer. */
  #following(end: number): number | undefined {
    return end + lengthBase <= this.#bytes.length ? readInt64(this.#bytes, end) : undefined
  }

  /**
   * Returns the last offset of unreadable data that ends at byte `end`: `last`, if the following
   * batch agrees.
   */
  #bounded(end: number, last: number): number {
    const { next } = this
    const following = this.#following(end)
    const isAgreed = last >= next && (following === undefined || last < following)
    const bounded = isAgreed ? last : (following ?? next + 1) - 1
    return Math.max(next, Math.min(bounded, this.#logEnd - 1))
  }

  /**
   * Opens the batch for delivery, if it has any records to deliver. Returns the reason if it
   * cannot be read.
   */
  #read(at: number, end: number): Unreadable | undefined {
    const bytes = this.#bytes
    const attributes = bytes.readInt16BE(at + attributesAt)
    const producerId = readInt64(bytes, at + producerIdAt)
    while (this.#ahead.length > 0 && this.#ahead.at(-1)!.firstOffset <= this.last) {
      this.#aborted.add(this.#ahead.pop()!.producerId)
    }
    if ((attributes & control) !== 0) {
      // Commit or abort, the marker ends the producer's transaction. Compaction may have emptied
      // its batch and kept only the header, so the kind of marker is not read.
      this.#aborted.delete(producerId)
      return undefined
    }
    if (this.last < this.next) return undefined
    if ((attributes & transactional) !== 0 && this.#aborted.has(producerId)) return undefined
    const count = bytes.readInt32BE(at + recordCountAt)
    if (count < 0) {
      this.#damaged(`a batch of ${count} records`)
      return 'damaged'
    }
    // Compaction keeps the last batch of a producer even when it is empty; its codec does not
    // matter.
    if (count === 0) return undefined
    const unreadable = this.#open(at, end, attributes & 7)
    if (unreadable !== undefined) return unreadable
    this.#left = count
    this.#baseTimeMs = readInt64(bytes, at + baseTimeAt)
    this.#appendTimeMs = (attributes & logAppendTime) === 0 ? -1 : readInt64(bytes, at + maxTimeAt)
    this.#view.generation = this.epoch
    return undefined
  }

  /** Points the parser at the decompressed records of the batch. */
  #open(at: number, end: number, kind: number): Unreadable | undefined {
    if (kind === codec.none) {
      this.#view.buffer = this.#bytes
      this.#parser.begin(this.#bytes, at + headerBytes, end)
      return undefined
    }
    try {
      const records = decompress(kind, this.#bytes.subarray(at + headerBytes, end), this.#maxBatchBytes)
      this.#view.buffer = records
      this.#parser.begin(records, 0, records.length)
      return undefined
    } catch (error) {
      this.#damaged((error as Error).message)
      return error instanceof Unsupported ? 'unsupported' : 'damaged'
    }
  }

  /** Delivers records of the open batch. Returns false if one of them is damaged. */
  #show(sink: { record(record: SourceRecord): void }): boolean {
    const view = this.#view
    const { first, last } = this
    const until = this.looked + stepRecords
    while (this.#left > 0 && this.looked < until) {
      // Counted before the sink is called: if the sink throws, the record counts as delivered.
      this.#left--
      if (!this.#parse()) return false
      this.looked += turnWeight(view)
      const offset = first + view.offset
      if (offset < first || offset > last) return this.#damaged(`offset ${offset} is outside [${first}, ${last}]`)
      if (offset < this.next) continue
      if (offset >= this.#to) {
        this.#left = 0
        return true
      }
      view.offset = offset
      view.timeMs = this.#appendTimeMs >= 0 ? this.#appendTimeMs : this.#baseTimeMs + view.timeMs
      this.next = offset + 1
      this.shown++
      sink.record(view)
    }
    return true
  }

  #parse(): boolean {
    try {
      this.#parser.next(this.#view)
      return true
    } catch (error) {
      return this.#damaged((error as Error).message)
    }
  }

  #damaged(problem: string): false {
    this.problem = problem
    return false
  }
}

const hex = (value: number) => `0x${(value >>> 0).toString(16)}`
