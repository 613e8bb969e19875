import { ByteRange } from '../base/byte-range.ts'

/**
 * The frame that serializers of Confluent's schema registry put before a value: byte 0, then the
 * schema id as 4 bytes big-endian. For protobuf, the path of the message within its schema
 * follows: a count and that many indexes, all zigzag varints. A count of 0 means [0], the first
 * message.
 * https://docs.confluent.io/platform/current/schema-registry/fundamentals/serdes-develop/index.html#wire-format
 */

const magic = 0
const idBytes = 4
/** Maximum nesting of a message. Bytes with a deeper path are not taken for a frame. */
const maxIndexes = 16

/** Reads frames. One object is reused for all records. */
export class ConfluentFrame {
  /** Start of the content. */
  contentStart = 0
  /** The schema id, in decimal. */
  readonly schemaId = new ByteRange().set(Buffer.alloc(10), 0, 0)
  /**
   * The indexes in decimal, joined by commas; empty for the first message and for content that is
   * not protobuf.
   */
  readonly indexes = new ByteRange().set(Buffer.alloc(maxIndexes * 11), 0, 0)
  #at = 0

  /** Reads the frame at the start of bytes [start, end). Returns false if there is none. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    this.indexes.end = 0
    if (!hasFrame(bytes, start, end)) return false
    this.schemaId.end = writeDecimal(this.schemaId.bytes, 0, schemaIdOf(bytes, start))
    this.#at = start + 1 + idBytes
    this.contentStart = this.#at
    return true
  }

  /** Reads the frame of a protobuf message. Returns false if there is none. */
  readProtobuf(bytes: Uint8Array, start: number, end: number): boolean {
    if (!this.read(bytes, start, end) || !this.#readIndexes(bytes, end)) return false
    this.contentStart = this.#at
    return true
  }

  #readIndexes(bytes: Uint8Array, end: number): boolean {
    const count = this.#zigzag(bytes, end)
    if (count < 0 || count > maxIndexes) return false
    let length = 0
    let first = true
    for (let i = 0; i < count; i++) {
      const index = this.#zigzag(bytes, end)
      if (index < 0) return false
      first &&= index === 0 && count === 1
      if (i > 0) this.indexes.bytes[length++] = 0x2c
      length = writeDecimal(this.indexes.bytes, length, index)
    }
    this.indexes.end = first ? 0 : length
    return true
  }

  /**
   * Returns an index from 0 to 2^31 - 1; -1 for a negative number or a varint that is longer than
   * 5 bytes or cut off.
   */
  #zigzag(bytes: Uint8Array, end: number): number {
    let value = 0
    for (let shift = 0; shift < 35 && this.#at < end; shift += 7) {
      const byte = bytes[this.#at++]!
      value |= (byte & 127) << shift
      if (byte < 128) return (value & 1) === 1 ? -1 : value >>> 1
    }
    return -1
  }
}

/**
 * Returns whether bytes [start, end) can begin with a frame. Checks the part common to all
 * contents.
 */
export function hasFrame(bytes: Uint8Array, start: number, end: number): boolean {
  return end - start > idBytes && bytes[start] === magic
}

export function schemaIdOf(bytes: Uint8Array, start: number): number {
  return ((bytes[start + 1]! << 24) | (bytes[start + 2]! << 16) | (bytes[start + 3]! << 8) | bytes[start + 4]!) >>> 0
}

/** Writes `value`, an integer from 0 to 2^32 - 1, at `at`. Returns the index after it. */
function writeDecimal(bytes: Uint8Array, at: number, value: number): number {
  let end = at + 1
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) end++
  for (let i = end - 1, rest = value; i >= at; i--, rest = Math.floor(rest / 10)) bytes[i] = 0x30 + (rest % 10)
  return end
}
