import { absent } from '../../base/absent.ts'
import { ByteRange } from '../../base/byte-range.ts'
import { CarillonError } from '../../base/errors.ts'
import { addHeaders, type HeaderSink, type SourceRecord } from '../../log/record.ts'
import type { OutRecord } from '../source.ts'
import { maxVarintBytes, VarintReader, writeVarint } from './varint.ts'

/**
 * A record in a block: five varints (ms after the block's first record; length + 1 of key, value
 * and traceparent, 0 = null; length of the other headers), then their bytes in that order. A
 * header is name length, name, value length, value. `traceparent` is separate, so that it is
 * found without decoding the others.
 */
const traceHeader = 'traceparent'

/** Maximum size of a record's key and headers together, bytes. */
export const maxRecordOverheadBytes = 64 << 10

/**
 * A record that waits for its commit. Header names and values are bytes, so that its size is
 * known.
 */
export interface PreparedRecord {
  readonly partition: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly trace: Uint8Array | null
  /** Alternating names and values, without `traceparent`. */
  readonly headers: readonly Uint8Array[]
  /** Upper bound of its encoded size. */
  readonly bytes: number
}

/** Prepares a record for its commit. Throws `event_too_large` if it exceeds the limits. */
export function prepare(record: OutRecord, maxEventBytes: number): PreparedRecord {
  const valueBytes = record.value?.length ?? 0
  if (valueBytes > maxEventBytes) {
    throw tooLarge(`expected a value of at most ${maxEventBytes} bytes, got ${valueBytes}`)
  }
  let trace: Uint8Array | null = null
  const headers: Uint8Array[] = []
  for (const [name, value] of Object.entries(record.headers ?? {})) {
    const bytes = typeof value === 'string' ? Buffer.from(value) : value
    if (name.toLowerCase() === traceHeader) trace = bytes
    else headers.push(Buffer.from(name), bytes)
  }
  let overhead = 5 * maxVarintBytes + (record.key?.length ?? 0) + (trace?.length ?? 0)
  for (const part of headers) overhead += part.length + maxVarintBytes
  if (overhead > maxRecordOverheadBytes) {
    throw tooLarge(`expected a key and headers of at most ${maxRecordOverheadBytes} bytes, got ${overhead}`)
  }
  const { partition, key, value } = record
  return { partition, key, value, trace, headers, bytes: overhead + valueBytes }
}

const tooLarge = (message: string) =>
  new CarillonError('event_too_large', `${message}; publish a smaller event or raise the embedded log's limit`)

/**
 * Writes the record at `at`; `buffer` must have room for its `bytes`. Returns the end offset in
 * `buffer`.
 */
export function writeRecord(buffer: Uint8Array, at: number, record: PreparedRecord, afterMs: number): number {
  const { key, value, trace, headers } = record
  let headerBytes = 0
  for (const part of headers) headerBytes += part.length + varintBytes(part.length)
  let end = writeVarint(buffer, at, afterMs)
  end = writeVarint(buffer, end, key === null ? 0 : key.length + 1)
  end = writeVarint(buffer, end, value === null ? 0 : value.length + 1)
  end = writeVarint(buffer, end, trace === null ? 0 : trace.length + 1)
  end = writeVarint(buffer, end, headerBytes)
  end = writeBytes(buffer, end, key)
  end = writeBytes(buffer, end, value)
  end = writeBytes(buffer, end, trace)
  for (const part of headers) {
    end = writeVarint(buffer, end, part.length)
    end = writeBytes(buffer, end, part)
  }
  return end
}

function writeBytes(buffer: Uint8Array, at: number, bytes: Uint8Array | null): number {
  if (bytes === null) return at
  buffer.set(bytes, at)
  return at + bytes.length
}

function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes++
  return bytes
}

/** Returns the length from a stored length, which is one more, or 0 for null. */
const bytesOf = (stored: number) => (stored === 0 ? 0 : stored - 1)

const nothing = Buffer.alloc(0)

/** A reused view of one record of a block after another. */
export class StoredRecord implements SourceRecord {
  buffer: Buffer = nothing
  partition = 0
  offset = 0
  timeMs = 0
  readonly generation = 0
  keyStart = absent
  keyEnd = absent
  valueStart = absent
  valueEnd = absent
  traceStart = absent
  traceEnd = absent
  #headersStart = 0
  #headersEnd = 0
  readonly #varints = new VarintReader()
  readonly #headerVarints = new VarintReader()
  readonly #name = new ByteRange()
  readonly #value = new ByteRange()

  /**
   * Moves the view to the record at `at`; `baseMs` is the time of the block's first record.
   * Returns the start of the next one.
   */
  read(buffer: Buffer, at: number, baseMs: number): number {
    const varints = this.#varints
    varints.at = at
    this.buffer = buffer
    this.timeMs = baseMs + varints.next(buffer)
    const key = varints.next(buffer)
    const value = varints.next(buffer)
    const trace = varints.next(buffer)
    const headers = varints.next(buffer)
    const keyStart = varints.at
    const valueStart = keyStart + bytesOf(key)
    const traceStart = valueStart + bytesOf(value)
    const headersStart = traceStart + bytesOf(trace)
    this.keyStart = key === 0 ? absent : keyStart
    this.keyEnd = key === 0 ? absent : valueStart
    this.valueStart = value === 0 ? absent : valueStart
    this.valueEnd = value === 0 ? absent : traceStart
    this.traceStart = trace === 0 ? absent : traceStart
    this.traceEnd = trace === 0 ? absent : headersStart
    this.#headersStart = headersStart
    this.#headersEnd = headersStart + headers
    return this.#headersEnd
  }

  headers(): Map<string, Buffer | null> {
    const headers = new Map<string, Buffer | null>()
    if (this.traceStart >= 0) headers.set(traceHeader, this.buffer.subarray(this.traceStart, this.traceEnd))
    return addHeaders(this, headers)
  }

  eachHeader(sink: HeaderSink): void {
    const { buffer } = this
    const varints = this.#headerVarints
    varints.at = this.#headersStart
    while (varints.at < this.#headersEnd) {
      const nameLength = varints.next(buffer)
      this.#name.set(buffer, varints.at, varints.at + nameLength)
      varints.at += nameLength
      const valueLength = varints.next(buffer)
      this.#value.set(buffer, varints.at, varints.at + valueLength)
      varints.at += valueLength
      sink.header(this.#name, this.#value)
    }
  }
}
