import { absent } from '../../base/absent.ts'
import { ByteRange } from '../../base/byte-range.ts'
import { addHeaders, type HeaderSink, type SourceRecord } from '../../log/record.ts'

/**
 * The one record object of a decoder: bounds in the batch's bytes. Decodes headers only on
 * demand.
 */
export class RecordView implements SourceRecord {
  buffer: Buffer = Buffer.alloc(0)
  partition = 0
  offset = 0
  timeMs = 0
  generation = 0
  keyStart = absent
  keyEnd = absent
  valueStart = absent
  valueEnd = absent
  traceStart = absent
  traceEnd = absent
  /**
   * The start of the first header, and the number of headers. The decoder has checked that they
   * are within the record.
   */
  headersStart = 0
  headerCount = 0
  #at = 0
  readonly #name = new ByteRange()
  readonly #value = new ByteRange()

  headers(): Map<string, Buffer | null> {
    return addHeaders(this, new Map())
  }

  eachHeader(sink: HeaderSink): void {
    this.#at = this.headersStart
    for (let i = 0; i < this.headerCount; i++) {
      const nameLength = this.#length()
      this.#name.set(this.buffer, this.#at, this.#at + nameLength)
      this.#at += nameLength
      const valueLength = this.#length()
      if (valueLength < 0) this.#value.set(this.buffer, absent, absent)
      else this.#value.set(this.buffer, this.#at, this.#at + valueLength)
      if (valueLength > 0) this.#at += valueLength
      sink.header(this.#name, this.#value)
    }
  }

  /** Reads the zigzag varint at `#at`. */
  #length(): number {
    let value = 0
    let shift = 0
    let byte = 0
    do {
      byte = this.buffer[this.#at++]!
      value |= (byte & 127) << shift
      shift += 7
    } while (byte > 127)
    return (value >>> 1) ^ -(value & 1)
  }
}
