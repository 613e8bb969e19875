/**
 * Kafka's primitive types (https://kafka.apache.org/protocol#protocol_types): big-endian
 * integers, and the "compact" types of flexible versions, whose lengths are varints of n + 1.
 * 64-bit integers are JS numbers: offsets, times and ids stay below 2^53.
 */

const two32 = 4294967296

export function readInt64(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at) * two32 + bytes.readUInt32BE(at + 4)
}

/** A request body that grows as needed. After its request is sent, `clear` allows to reuse it. */
export class ByteWriter {
  #bytes: Buffer
  #at = 0

  constructor(bytes = 512) {
    this.#bytes = Buffer.allocUnsafe(bytes)
  }

  clear(): this {
    this.#at = 0
    return this
  }

  /** Returns what was written since the last `clear`: a view, valid until the next `clear`. */
  written(): Buffer {
    return this.#bytes.subarray(0, this.#at)
  }

  int8(value: number): this {
    this.#room(1)
    this.#at = this.#bytes.writeInt8(value, this.#at)
    return this
  }

  int16(value: number): this {
    this.#room(2)
    this.#at = this.#bytes.writeInt16BE(value, this.#at)
    return this
  }

  int32(value: number): this {
    this.#room(4)
    this.#at = this.#bytes.writeInt32BE(value, this.#at)
    return this
  }

  int64(value: number): this {
    this.#room(8)
    const high = Math.floor(value / two32)
    this.#bytes.writeInt32BE(high, this.#at)
    this.#at = this.#bytes.writeUInt32BE(value - high * two32, this.#at + 4)
    return this
  }

  uvarint(value: number): this {
    this.#room(5)
    let rest = value
    while (rest > 127) {
      this.#bytes[this.#at++] = (rest & 127) | 128
      rest >>>= 7
    }
    this.#bytes[this.#at++] = rest
    return this
  }

  bytes(value: Uint8Array): this {
    this.#room(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
    return this
  }

  string(value: string): this {
    const bytes = Buffer.from(value)
    return this.int16(bytes.length).bytes(bytes)
  }

  compactString(value: string): this {
    const bytes = Buffer.from(value)
    return this.compactLength(bytes.length).bytes(bytes)
  }

  compactLength(length: number): this {
    return this.uvarint(length + 1)
  }

  uuid(hex: string): this {
    return this.bytes(Buffer.from(hex, 'hex'))
  }

  /** An empty section of tagged fields. */
  noTags(): this {
    return this.int8(0)
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const grown = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, this.#at + bytes))
    this.#bytes.copy(grown)
    this.#bytes = grown
  }
}

/** A response body, front to back. Reading past its end throws a RangeError. */
export class ByteReader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  int8(): number {
    return this.#bytes.readInt8(this.#skip(1))
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#skip(2))
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#skip(4))
  }

  int64(): number {
    return readInt64(this.#bytes, this.#skip(8))
  }

  uvarint(): number {
    let value = 0
    let shift = 0
    for (;;) {
      const byte = this.#bytes.readUInt8(this.#skip(1))
      value += (byte & 127) * 2 ** shift
      if (byte < 128) return value
      shift += 7
      if (shift > 28) throw new RangeError('a varint longer than five bytes')
    }
  }

  /** Returns a view of the next `length` bytes. */
  bytes(length: number): Buffer {
    const at = this.#skip(length)
    return this.#bytes.subarray(at, at + length)
  }

  string(): string {
    return this.bytes(this.int16()).toString('utf8')
  }

  nullableString(): string | null {
    const length = this.int16()
    return length < 0 ? null : this.bytes(length).toString('utf8')
  }

  compactString(): string | null {
    const length = this.compactLength()
    return length < 0 ? null : this.bytes(length).toString('utf8')
  }

  /** Returns a length; -1 = null. */
  compactLength(): number {
    return this.uvarint() - 1
  }

  uuid(): string {
    return this.bytes(16).toString('hex')
  }

  /** Calls `field` for each tagged field. `field` must read all of it or nothing. */
  tags(field?: (tag: number) => void): void {
    for (let n = this.uvarint(); n > 0; n--) {
      const tag = this.uvarint()
      const length = this.uvarint()
      const end = this.#skip(length) + length
      this.#at = end - length
      field?.(tag)
      this.#at = end
    }
  }

  #skip(length: number): number {
    const at = this.#at
    if (length < 0 || at + length > this.#bytes.length) {
      throw new RangeError(`an answer of ${this.#bytes.length} bytes ends before byte ${at + length}`)
    }
    this.#at = at + length
    return at
  }
}
