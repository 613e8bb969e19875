import type { ByteRange } from '../base/byte-range.ts'
import { entryKey, eventKey } from './envelope.ts'
import { varintLength, writeVarint } from './varint.ts'

const firstBytes = 4096
/** Up to this length, a loop is faster than a call into the runtime. */
const shortBytes = 24

type FieldName = Exclude<
  keyof typeof eventKey,
  'subject' | 'attributes' | 'publishedAtUs' | 'ttlMs' | 'priority' | 'deleted'
>

/**
 * Builds envelopes for records that carry none, one after another in one buffer. Strings are
 * bytes and are not checked: `scanEnvelope` validates the result. Empty fields are left out;
 * fields may come in any order. Server only: it uses Node's Buffer.
 */
export class EnvelopeWriter {
  /** The envelope is bytes [0, length). The buffer is replaced when it grows. */
  bytes: Buffer
  length = 0
  /** True once the envelope exceeds the limit; its bytes are then unusable. */
  tooLarge = false
  readonly #maxBytes: number

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
    this.bytes = Buffer.allocUnsafe(Math.min(firstBytes, maxBytes))
  }

  begin(): void {
    this.length = 0
    this.tooLarge = false
  }

  /** Drops the bytes from `length` on. */
  truncate(length: number): void {
    this.length = length
  }

  /**
   * Writes the subject: `prefix`, then bytes [start, end). Returns the subject's place in
   * `bytes`.
   */
  subject(prefix: Buffer, source: Buffer, start: number, end: number): number {
    const length = prefix.length + end - start
    if (length === 0 || !this.#takes(1 + varintLength(length) + length)) return this.length
    this.#head(eventKey.subject, length)
    const at = this.length
    this.#copy(prefix, 0, prefix.length)
    this.#copy(source, start, end)
    return at
  }

  field(name: FieldName, source: Buffer, start: number, end: number): void {
    const length = end - start
    if (length === 0 || !this.#takes(1 + varintLength(length) + length)) return
    this.#head(eventKey[name], length)
    this.#copy(source, start, end)
  }

  /**
   * Writes the time, Unix µs. Leaves out a time that the field can't hold, such as one before
   * 1970; it then counts as unknown.
   */
  publishedAt(us: number): void {
    if (!(us > 0 && us <= Number.MAX_SAFE_INTEGER) || !this.#takes(1 + varintLength(us))) return
    this.#head(eventKey.publishedAtUs, us)
  }

  deleted(): void {
    if (this.#takes(2)) this.#head(eventKey.deleted, 1)
  }

  attribute(name: ByteRange, value: ByteRange): void {
    const nameLength = name.length
    const valueLength = value.length
    const length = 2 + varintLength(nameLength) + nameLength + varintLength(valueLength) + valueLength
    if (!this.#takes(1 + varintLength(length) + length)) return
    this.#head(eventKey.attributes, length)
    this.#head(entryKey.key, nameLength)
    this.#copy(name.bytes, name.start, name.end)
    this.#head(entryKey.value, valueLength)
    this.#copy(value.bytes, value.start, value.end)
  }

  /** Reserves room. Returns false once the envelope exceeds its limit. */
  #takes(more: number): boolean {
    const needed = this.length + more
    if (this.tooLarge || needed > this.#maxBytes) {
      this.tooLarge = true
      return false
    }
    if (needed > this.bytes.length) {
      const larger = Buffer.allocUnsafe(Math.min(this.#maxBytes, Math.max(needed, 2 * this.bytes.length)))
      this.bytes.copy(larger, 0, 0, this.length)
      this.bytes = larger
    }
    return true
  }

  /** Writes a key below 128 and a number: the field's value or length. */
  #head(key: number, value: number): void {
    this.bytes[this.length] = key
    this.length = writeVarint(this.bytes, this.length + 1, value)
  }

  #copy(source: Buffer, start: number, end: number): void {
    const { bytes, length } = this
    if (end - start > shortBytes) source.copy(bytes, length, start, end)
    else for (let i = start, at = length; i < end; i++, at++) bytes[at] = source[i]!
    this.length = length + end - start
  }
}
