import type { SourceRecord } from '../../log/record.ts'

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

  headers(): Map<string, Buffer | null> {
    const headers = new Map<string, Buffer | null>()
    let at = this.headersStart
    const length = (): number => {
      let value = 0
      let shift = 0
      let byte = 0
      do {
        byte = this.buffer[at++]!
        value |= (byte & 127) << shift
        shift += 7
      } while (byte > 127)
      return (value >>> 1) ^ -(value & 1)
    }
    for (let i = 0; i < this.headerCount; i++) {
      const nameLength = length()
      const name = this.buffer.toString('utf8', at, at + nameLength)
      at += nameLength
      const valueLength = length()
      headers.set(name, valueLength < 0 ? null : this.buffer.subarray(at, at + valueLength))
      if (valueLength > 0) at += valueLength
    }
    return headers
  }
}
