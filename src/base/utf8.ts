/**
 * Validates UTF-8 (RFC 3629) on bytes: no overlong forms, no surrogates, nothing above U+10FFFF.
 * For code where decoding would allocate, or would silently replace invalid bytes.
 */

/**
 * Returns the length of the well-formed sequence of a character above U+007F that starts at `at`
 * and ends by `end`; 0 = ill-formed.
 */
export function sequenceLength(bytes: Uint8Array, at: number, end: number): number {
  const lead = bytes[at]!
  if (lead < 0xc2 || lead > 0xf4) return 0
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
  if (end - at < length) return 0
  const second = bytes[at + 1]!
  // The second byte alone reveals overlong forms (E0, F0), surrogates (ED) and values above
  // U+10FFFF (F4).
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  if (second < lowest || second > highest) return 0
  for (let i = 2; i < length; i++) if ((bytes[at + i]! & 0xc0) !== 0x80) return 0
  return length
}

/** Returns whether bytes [start, end) are well-formed UTF-8. */
export function validUtf8(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end; ) {
    if (bytes[at]! < 0x80) {
      at++
      continue
    }
    const length = sequenceLength(bytes, at, end)
    if (length === 0) return false
    at += length
  }
  return true
}

/**
 * Returns the text's length in UTF-8, bytes. A lone surrogate counts as the replacement character
 * that encoders write.
 */
export function utf8Length(text: string): number {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0x80) continue
    length += code < 0x800 ? 1 : 2
    // A pair takes four bytes: one per unit, and the two added for its first unit.
    if (code >= 0xd800 && code < 0xdc00 && isLowSurrogate(text.charCodeAt(i + 1))) i++
  }
  return length
}

/** Returns the index of the first surrogate without a partner; -1 = well-formed Unicode. */
export function loneSurrogate(text: string): number {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code < 0xd800 || code > 0xdfff) continue
    if (code > 0xdbff || !isLowSurrogate(text.charCodeAt(i + 1))) return i
    i++
  }
  return -1
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff
}
