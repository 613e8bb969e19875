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
/** The length counts from here; a cut-off header is no batch. */
const lengthBase = 12

const logAppendTime = 0x08
const transactional = 0x10
const control = 0x20

// An entry of format 0 or 1 (KIP-98 has the three beside one another): offset, length, CRC-32, format and attributes come first.
const oldCrcAt = 12
/** With a key and a value that are null. */
const oldHeaderBytes = 26

/** Records looked at in one step, by `turnWeight`: a megabyte of a compressed batch may hold a million, which take seconds. */
const stepRecords = 2048

/**
 * What stands at a place in an answer's record batches. `read`: shown as far as it was asked for. `part`: the batch has more,
 * the next step goes on with it. `damaged`: checksum or contents are wrong; `first` and `last` say what it held, as far as
 * can be told: no further than the log goes. `unsupported`: sound, and nothing that we read, up to `last`. `end`: nothing more, or a batch that the answer's size limit
 * cut off.
 */
export type BatchOutcome = 'read' | 'part' | Unreadable | 'end'

export type Unreadable = 'damaged' | 'unsupported'

/** A partition's part of an answer. */
export type Fetched = Pick<FetchedPartition, 'partition' | 'records' | 'aborted' | 'lastStableOffset'>

/**
 * Reads the record batches of one partition's answer, batch by batch: checks each checksum, shows the records from `from`
 * on and below `to`, leaves out transactions' markers and what was aborted. Nothing in an answer makes it throw; what the
 * sink throws comes out, and the record that it threw at counts as shown.
 */
export class BatchDecoder {
  /** The batch that was looked at last: its offsets and leader epoch. */
  first = 0
  last = 0
  epoch = 0
  /** Why it is damaged or unsupported, for people. */
  problem = ''
  /** The offset after the last record shown or batch passed. */
  next = 0
  /** Records shown, and records looked at, by `turnWeight`, since `begin`. */
  shown = 0
  looked = 0
  readonly #maxBatchBytes: number
  readonly #view = new RecordView()
  readonly #parser = new RecordParser()
  /** Producers that are inside of a transaction that was aborted. */
  readonly #aborted = new Set<number>()
  /** Aborted transactions that begin further on, the last one first. */
  #ahead: AbortedTransaction[] = []
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  #to = 0
  /** Where the log ends for who reads what is committed. */
  #logEnd = 0
  /** Epochs that the next batch may have: no leader writes an older one than the one before it. */
  #leastEpoch = unknownGeneration
  #mostEpoch = Number.POSITIVE_INFINITY
  /** Of the batch whose records are being shown: where it is, how many are left, what their times count from. */
  #batchAt = 0
  #left = 0
  /** `next` is where a batch of this answer ended: no other one has begun before it. */
  #isAtEnd = false
  #baseTimeMs = 0
  /** −1 = its records have times of their own. */
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
   * After `begin`: the epoch of what lies below the position, and that of the leader which answered; `unknownGeneration` where that is not
   * known. No checksum covers a batch's epoch. One out of these bounds is damaged, and that of the batch before it counts.
   */
  boundEpochs(before: number, leader: number): void {
    this.#leastEpoch = before
    this.#mostEpoch = leader === unknownGeneration ? Number.POSITIVE_INFINITY : leader
  }

  /** Shows nothing more of this answer; may be called from within the sink. */
  stop(): void {
    this.#to = 0
    this.#at = this.#bytes.length
    this.#left = 0
  }

  /** Reads the next batch, or some more of it. One that can't be read stays where it is: the caller begins with another answer. */
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
    // Before the records: a sink may stop us.
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

  /** Where the entry of format 0 or 1 ends that is at this place; 0 = there is none. Its own checksum tells it from damage. */
  #oldEnd(at: number): number {
    const bytes = this.#bytes
    if (at + oldHeaderBytes > bytes.length || bytes[at + magicAt]! > 1) return 0
    const end = at + lengthBase + bytes.readInt32BE(at + lengthAt)
    if (end < at + oldHeaderBytes || end > bytes.length) return 0
    return crc32(bytes.subarray(at + magicAt, end)) === bytes.readUInt32BE(at + oldCrcAt) ? end : 0
  }

  /** All entries of old formats that follow one another, up to what lies behind them. Each is at the offset of its last record, which no checksum covers. */
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
    if (this.last < this.first) return this.#damaged('it ends before it begins')
    return true
  }

  /**
   * What a batch with a wrong checksum says of itself counts only as far as the batch behind it agrees, or, where the answer ends with
   * it, its own count of records: else all up to the head could pass for damaged.
   */
  #boundDamage(at: number, end: number): void {
    const { first, last } = this
    const isCounted = this.#bytes.readInt32BE(at + recordCountAt) === last - first + 1
    const isKnown = this.#following(end) !== undefined || (isCounted && last < this.#logEnd)
    this.last = this.#bounded(end, isKnown ? last : this.next)
  }

  /**
   * Whether a batch whose checksum is right has another place in the log than it says: no checksum covers its first offset. It goes on
   * where the one before it ended, or behind a hole, below the one behind it and below the log's end. What lies below the position as a whole
   * leads up to it.
   */
  #isMisplaced(end: number): boolean {
    const { first, last, next } = this
    const following = this.#following(end)
    const isBeyond = first > next && (last >= this.#logEnd || (following !== undefined && last >= following))
    const isMissed = next < this.#logEnd && (following === undefined || following > next)
    const isBelow = last < next ? isMissed : first < next && this.#isAtEnd
    if (!isBeyond && !isBelow) return false
    const where = isBeyond ? 'beyond what lies behind it' : 'below what lies before it'
    this.#damaged(`its first offset, ${first}, is ${where}`)
    return true
  }

  /** The offset that the batch or entry at `end` says; undefined where the answer ends. */
  #following(end: number): number | undefined {
    return end + lengthBase <= this.#bytes.length ? readInt64(this.#bytes, end) : undefined
  }

  /** How far goes what can't be read, which ends at `end`: up to `last`, if what lies behind it agrees. */
  #bounded(end: number, last: number): number {
    const { next } = this
    const following = this.#following(end)
    const isAgreed = last >= next && (following === undefined || last < following)
    const told = isAgreed ? last : (following ?? next + 1) - 1
    return Math.max(next, Math.min(told, this.#logEnd - 1))
  }

  /** Opens the batch, and says why it can't be; its records are then to be shown, if any are. */
  #read(at: number, end: number): Unreadable | undefined {
    const bytes = this.#bytes
    const attributes = bytes.readInt16BE(at + attributesAt)
    const producerId = readInt64(bytes, at + producerIdAt)
    while (this.#ahead.length > 0 && this.#ahead.at(-1)!.firstOffset <= this.last) {
      this.#aborted.add(this.#ahead.pop()!.producerId)
    }
    if ((attributes & control) !== 0) {
      // Whichever marker it is, its producer's transaction ends here: compaction empties it and leaves the batch.
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
    // Compaction leaves such a batch of a producer's last records, whatever its codec says.
    if (count === 0) return undefined
    const unreadable = this.#open(at, end, attributes & 7)
    if (unreadable !== undefined) return unreadable
    this.#left = count
    this.#baseTimeMs = readInt64(bytes, at + baseTimeAt)
    this.#appendTimeMs = (attributes & logAppendTime) === 0 ? -1 : readInt64(bytes, at + maxTimeAt)
    this.#view.generation = this.epoch
    return undefined
  }

  /** Points the parser at the batch's records, decompressed. */
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

  /** Shows records of the batch that is open; false when one of them is damaged. */
  #show(sink: { record(record: SourceRecord): void }): boolean {
    const view = this.#view
    const { first, last } = this
    const until = this.looked + stepRecords
    while (this.#left > 0 && this.looked < until) {
      // Before the sink is called, which may throw: the record counts as shown.
      this.#left--
      if (!this.#parse()) return false
      this.looked += turnWeight(view)
      const offset = first + view.offset
      if (offset < first || offset > last) return this.#damaged(`offset ${offset} is outside of [${first}, ${last}]`)
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
