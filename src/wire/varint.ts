/**
 * Protobuf's varints, for code that reads and writes bytes without the generated code. Numbers up
 * to 2^53, no BigInt.
 */

/**
 * A reader's place, and the varint it read last: two unsigned halves, since a varint has up to 64
 * bits.
 */
export interface Cursor {
  at: number
  low: number
  high: number
}

/**
 * Reads the varint at `cursor.at` into `low` and `high`, and moves past it. Returns false if it
 * does not end before `end` or has more than ten bytes; the cursor is then undefined. Drops the
 * tenth byte's bits above 64, as protobuf does.
 */
export function readVarint(bytes: Uint8Array, end: number, cursor: Cursor): boolean {
  let at = cursor.at
  if (at >= end) return false
  let byte = bytes[at++]!
  let low = byte & 0x7f
  let high = 0
  for (let shift = 7; byte >= 0x80; shift += 7) {
    if (at >= end || shift > 63) return false
    byte = bytes[at++]!
    const bits = byte & 0x7f
    if (shift < 32) low |= bits << shift
    if (shift === 28) high = bits >>> 4
    else if (shift > 28) high |= bits << (shift - 32)
  }
  cursor.at = at
  cursor.low = low >>> 0
  cursor.high = high >>> 0
  return true
}

/** Returns the last varint as a number: exact up to 2^53, rounded above. */
export function cursorValue(cursor: Cursor): number {
  return cursor.high * 0x1_0000_0000 + cursor.low
}

/** Returns the bytes that `value`, an integer from 0 to 2^53, takes. */
export function varintLength(value: number): number {
  let length = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) length++
  return length
}

/** Writes `value`, an integer from 0 to 2^53, at `at`. Returns the index after it. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value
  while (rest >= 0x8000_0000) {
    bytes[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  while (rest >= 0x80) {
    bytes[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  bytes[at++] = rest
  return at
}
