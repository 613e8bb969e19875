import type { HeaderSink, SourceRecord } from '../../log/record.ts'

/** The one record object of a decoder: bounds in the batch's bytes, headers decoded only when asked for. */
export class RecordView implements SourceRecord {
  buffer: Buffer = Buffer.alloc(0)
  partition = 0
  offset = 0
  timeMs = 0
  epoch = 0
  keyStart = -1
  keyEnd = -1
  valueStart = -1
  valueEnd = -1
  traceStart = -1
  traceEnd = -1
  /** Where the first header begins, and how many there are; the decoder has checked that they are within the record. */
  headersStart = 0
  headerCount = 0

  #at = 0

  headers(): Map<string, Buffer | null> {
    const headers = new Map<string, Buffer | null>()
    this.eachHeader({
      header(bytes, nameStart, nameEnd, valueStart, valueEnd) {
        const value = valueStart < 0 ? null : bytes.subarray(valueStart, valueEnd)
        headers.set(bytes.toString('utf8', nameStart, nameEnd), value)
      },
    })
    return headers
  }

  eachHeader(sink: HeaderSink): void {
    this.#at = this.headersStart
    for (let i = 0; i < this.headerCount; i++) {
      const nameLength = this.#length()
      const nameStart = this.#at
      const nameEnd = nameStart + nameLength
      this.#at = nameEnd
      const valueLength = this.#length()
      const valueStart = valueLength < 0 ? -1 : this.#at
      if (valueLength > 0) this.#at += valueLength
      sink.header(this.buffer, nameStart, nameEnd, valueStart, valueLength < 0 ? -1 : this.#at)
    }
  }

  /** The zigzag varint at `#at`. */
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
