import { absent } from '../../base/absent.ts'
import { isAscii } from '../../base/ascii.ts'
import type { RecordView } from './record-view.ts'

const traceparent = 'traceparent'

/**
 * Walks the records of one batch (https://kafka.apache.org/documentation/#record): varint
 * lengths, and offsets and times as deltas to the batch's. Checks each length against its record,
 * and each record against the batch. A mismatch throws a RangeError, and nothing outside the
 * batch is read. Allocates no object for a record or a header.
 */
export class RecordParser {
  #bytes: Buffer = Buffer.alloc(0)
  #at = 0
  #end = 0

  /** Begins at `start`. The batch's records end at `end`. */
  begin(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  /**
   * Reads the next record into `view`: all bounds, and its offset and time as deltas to the
   * batch's, which the caller adds.
   */
  next(view: RecordView): void {
    const length = this.#varint(this.#end)
    const end = this.#at + length
    if (length < 0 || end > this.#end) throw new RangeError(`a record of ${length} bytes does not fit into its batch`)
    this.#at++
    view.timeMs = this.#varlong(end)
    view.offset = this.#varint(end)
    const keyLength = this.#length(end, -1)
    view.keyStart = keyLength < 0 ? absent : this.#at
    this.#at += Math.max(0, keyLength)
    view.keyEnd = keyLength < 0 ? absent : this.#at
    const valueLength = this.#length(end, -1)
    view.valueStart = valueLength < 0 ? absent : this.#at
    this.#at += Math.max(0, valueLength)
    view.valueEnd = valueLength < 0 ? absent : this.#at
    this.#headers(view, end)
    if (this.#at !== end) throw new RangeError('a record that is longer than its fields')
  }

  #headers(view: RecordView, end: number): void {
    const count = this.#length(end, 0)
    view.headerCount = count
    view.headersStart = this.#at
    view.traceStart = absent
    view.traceEnd = absent
    for (let i = 0; i < count; i++) {
      const nameLength = this.#length(end, 0)
      const isTrace = isAscii(this.#bytes, this.#at, this.#at + nameLength, traceparent)
      this.#at += nameLength
      const valueLength = this.#length(end, -1)
      if (isTrace) {
        view.traceStart = valueLength < 0 ? absent : this.#at
        view.traceEnd = valueLength < 0 ? absent : this.#at + valueLength
      }
      this.#at += Math.max(0, valueLength)
    }
  }

  /** Reads a length that is at least `lowest` and fits before `end`. */
  #length(end: number, lowest: number): number {
    const length = this.#varint(end)
    if (length < lowest || this.#at + length > end) throw new RangeError(`a field of ${length} bytes does not fit`)
    return length
  }

  /** Reads a zigzag varint of up to 32 bits. */
  #varint(end: number): number {
    const bytes = this.#bytes
    let value = 0
    for (let shift = 0; shift < 35; shift += 7) {
      if (this.#at >= end) throw new RangeError('a number that does not end within its record')
      const byte = bytes[this.#at++]!
      value |= (byte & 127) << shift
      if (byte < 128) return (value >>> 1) ^ -(value & 1)
    }
    throw new RangeError('a number of more than 32 bits')
  }

  /** Reads a zigzag varint of up to 64 bits; exact below 2^53. */
  #varlong(end: number): number {
    const bytes = this.#bytes
    let value = 0
    let unit = 1
    for (let i = 0; i < 10; i++) {
      if (this.#at >= end) throw new RangeError('a number that does not end within its record')
      const byte = bytes[this.#at++]!
      value += (byte & 127) * unit
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2
      unit *= 128
    }
    throw new RangeError('a number of more than 64 bits')
  }
}
