/**
 * Unsigned LEB128 of whole numbers below 2^35. A length, or a time difference within a block,
 * needs 32 bits.
 */
export const maxVarintBytes = 5

/** Writes `value` at `at`; returns its end offset. */
export function writeVarint(buffer: Uint8Array, at: number, value: number): number {
  let rest = value
  let end = at
  while (rest > 0x7f) {
    buffer[end++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  buffer[end++] = rest
  return end
}

/** Reads consecutive numbers. */
export class VarintReader {
  /** Offset of the next number. */
  at = 0

  next(buffer: Uint8Array): number {
    let value = 0
    let shift = 0
    for (;;) {
      const byte = buffer[this.at++]!
      value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
      shift += 7
    }
  }
}
