import { sequenceLength } from '../base/utf8.ts'

/**
 * Writes JSON text as bytes into one buffer that is reused, without making strings of what it copies. For the server only:
 * it uses Node's Buffer. Whoever writes reserves the space first, so that no step has to look.
 */
export class JsonWriter {
  #bytes = Buffer.allocUnsafeSlow(initialBytes)
  #at = 0

  /** Starts anew, with room for `bytes`. */
  reserve(bytes: number): void {
    this.#at = 0
    if (bytes > this.#bytes.length || this.#bytes.length > keptBytes) {
      this.#bytes = Buffer.allocUnsafeSlow(Math.max(initialBytes, bytes))
    }
  }

  /** What was written, as a buffer of its own. */
  take(): Buffer {
    const taken = Buffer.allocUnsafe(this.#at)
    this.#bytes.copy(taken, 0, 0, this.#at)
    return taken
  }

  /** Text that is ASCII and needs no escapes. */
  ascii(text: string): void {
    const bytes = this.#bytes
    let at = this.#at
    for (let i = 0; i < text.length; i++) bytes[at++] = text.charCodeAt(i)
    this.#at = at
  }

  /** An integer from 0 to 2^53, in decimal. */
  uint(value: number): void {
    this.#at = writeDecimal(this.#bytes, this.#at, value)
  }

  /** Any text, as it is. */
  text(text: string): void {
    this.#at += this.#bytes.write(text, this.#at)
  }

  /** Bytes [start, end) as they are. */
  raw(source: Buffer, start: number, end: number): void {
    this.#at += source.copy(this.#bytes, this.#at, start, end)
  }

  /** As `raw`, with spaces for line breaks. */
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

  /** A field's name with all that belongs around it, then its value by `string`; false, and neither written, as there. */
  named(name: string, source: Uint8Array, start: number, end: number): boolean {
    const at = this.#at
    this.ascii(name)
    if (this.string(source, start, end)) return true
    this.#at = at
    return false
  }

  /** Bytes [start, end) as a JSON string, escaped as JSON.stringify does. False, and nothing written, when they are not UTF-8. */
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
/** A buffer that one large event made longer than this is not kept. */
const keptBytes = 1024 * 1024

/** Bytes of JSON for one byte of text, at most: `\u0000`. */
export const maxEscapedBytes = 6

const quote = 0x22
const backslash = 0x5c

/** 1 for the bytes that stand for themselves in a JSON string. */
const plain = new Uint8Array(256).fill(1, 0x20, 0x80)
plain[quote] = 0
plain[backslash] = 0

/** Characters that have a short escape, by code. */
const short = new Uint8Array(128)
short[quote] = quote
short[backslash] = backslash
short[0x08] = 0x62
short[0x09] = 0x74
short[0x0a] = 0x6e
short[0x0c] = 0x66
short[0x0d] = 0x72

/** Where the upper digits of a number that is no 32-bit integer are cut off. */
const billion = 1_000_000_000

function writeDecimal(bytes: Uint8Array, at: number, value: number): number {
  if (value < billion) return writeDigits(bytes, at, value, digitsOf(value))
  const upper = Math.floor(value / billion)
  const behindUpper = writeDigits(bytes, at, upper, digitsOf(upper))
  return writeDigits(bytes, behindUpper, value - upper * billion, 9)
}

/** Of an integer below 10^9. */
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
