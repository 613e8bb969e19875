/**
 * Case-insensitive comparison of ASCII in bytes [start, end), without decoding. The text to
 * compare with must be lower-case ASCII.
 */

const lowered = (byte: number): number => (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte)

export function beginsWithAscii(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  if (end - start < text.length) return false
  for (let i = 0; i < text.length; i++) if (lowered(bytes[start + i]!) !== text.charCodeAt(i)) return false
  return true
}

export function isAscii(bytes: Uint8Array, start: number, end: number, text: string): boolean {
  return end - start === text.length && beginsWithAscii(bytes, start, end, text)
}

/** Copies the bytes to `into` in lower case. `into` must have room. */
export function copyLowered(bytes: Uint8Array, start: number, end: number, into: Uint8Array): void {
  for (let i = start; i < end; i++) into[i - start] = lowered(bytes[i]!)
}
