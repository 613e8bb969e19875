import { sequenceLength } from '../base/utf8.ts'

/**
 * Writes JSON text as bytes into one reused buffer, and copies bytes without making strings.
 * Server only: it uses Node's Buffer. Callers reserve the space first, so no write checks bounds.
 */
export class JsonWriter {
  #bytes = Buffer.allocUnsafeSlow(initialBytes)
  #at = 0

  /** Starts a new text, with room for `bytes`. */
  reserve(bytes: number): void {
    this.#at = 0
    if (bytes > this.#bytes.length || this.#bytes.length > keptBytes) {
      this.#bytes = Buffer.allocUnsafeSlow(Math.max(initialBytes, bytes))
    }
  }

  /** Returns a copy of the text. */
  take(): Buffer {
    const taken = Buffer.allocUnsafe(this.#at)
    this.#bytes.copy(taken, 0, 0, this.#at)
    return taken
  }

  /** Writes ASCII text that needs no escapes. */
  ascii(text: string): void {
    const bytes = this.#bytes
    let at = this.#at
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i)
    this.#at = at
  }

  /** Writes an integer from 0 to 2^53, in decimal. */
  uint(value: number): void {
    this.#at = writeDecimal(this.#bytes, this.#at, value)
  }

  /** Writes any text, unescaped. */
  text(text: string): void {
    this.#at += this.#bytes.write(text, this.#at)
  }

  /** Writes bytes [start, end) unchanged. */
  raw(source: Buffer, start: number, end: number): void {
    this.#at += source.copy(this.#bytes, this.#at, start, end)
  }

  /** Writes bytes like `raw`, with line breaks replaced by spaces. */
  rawOnOneLine(source: Buffer, start: number, end: number): void {
    const bytes = this.#bytes
    let at = this.#at
    for (let i = start; i < end; i++) {
      const byte = source[i]!
      bytes[at++] = byte === 0x0a || byte === 0x0d ? 0x20 : byte
    }
    this.#at = at
  }

  base64(source: Buffer, start: number, end: number): void {
    this.#at += this.#bytes.write(source.toString('base64', start, end), this.#at, 'latin1')
  }

  /**
   * Writes `name`, which includes the punctuation, and then the value by `string`. Returns false
   * and writes nothing if `string` fails.
   */
  named(name: string, source: Uint8Array, start: number, end: number): boolean {
    const at = this.#at
    this.ascii(name)
    if (this.string(source, start, end)) return true
    this.#at = at
    return false
  }

  /**
   * Writes bytes [start, end) as a JSON string, escaped as by JSON.stringify. Returns false and
   * writes nothing if they are not UTF-8.
   */
  string(source: Uint8Array, start: number, end: number): boolean {
    const bytes = this.#bytes
    let at = this.#at
    bytes[at++] = quote
    for (let i = start; i < end; ) {
      const byte = source[i]!
      if (plain[byte] === 1) {
        bytes[at++] = byte
        i++
      } else if (byte < 0x80) {
        at = writeEscape(bytes, at, byte)
        i++
      } else {
        let length = sequenceLength(source, i, end)
        if (length === 0) return false
        while (length-- > 0) bytes[at++] = source[i++]!
      }
    }
    bytes[at++] = quote
    this.#at = at
    return true
  }
}

const initialBytes = 64 * 1024
/** Maximum size of a buffer to keep. A larger one, allocated for a large event, is dropped. */
const keptBytes = 1024 * 1024

/** Maximum bytes of JSON per byte of text: `\u0000`. */
export const maxEscapedBytes = 6

const quote = 0x22
const backslash = 0x5c

/** 1 for bytes that need no escape in a JSON string. */
const plain = new Uint8Array(256).fill(1, 0x20, 0x80)
plain[quote] = 0
plain[backslash] = 0

/** Short escapes, by character code. */
const short = new Uint8Array(128)
short[quote] = quote
short[backslash] = backslash
short[0x08] = 0x62
short[0x09] = 0x74
short[0x0a] = 0x6e
short[0x0c] = 0x66
short[0x0d] = 0x72

/** Splits a number that exceeds a 32-bit integer. */
const billion = 1_000_000_000

function writeDecimal(bytes: Uint8Array, at: number, value: number): number {
  if (value < billion) return writeDigits(bytes, at, value, digitsOf(value))
  const upper = Math.floor(value / billion)
  const afterUpper = writeDigits(bytes, at, upper, digitsOf(upper))
  return writeDigits(bytes, afterUpper, value - upper * billion, 9)
}

/** Returns the number of decimal digits of an integer below 10^9. */
function digitsOf(value: number): number {
  let digits = 1
  for (let power = 10; power <= value && digits < 9; power *= 10) digits++
  return digits
}

function writeDigits(bytes: Uint8Array, at: number, value: number, digits: number): number {
  let rest = value | 0
  for (let i = at + digits - 1; i >= at; i--) {
    const tenth = (rest / 10) | 0
    bytes[i] = 0x30 + rest - tenth * 10
    rest = tenth
  }
  return at + digits
}

const hex = '0123456789abcdef'

function writeEscape(bytes: Uint8Array, at: number, byte: number): number {
  bytes[at++] = backslash
  if (short[byte] !== 0) {
    bytes[at++] = short[byte]!
    return at
  }
  bytes[at++] = 0x75
  bytes[at++] = 0x30
  bytes[at++] = 0x30
  bytes[at++] = hex.charCodeAt(byte >> 4)
  bytes[at++] = hex.charCodeAt(byte & 15)
  return at
}
