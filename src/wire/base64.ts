/** Strict base64 (RFC 4648) on bytes, for browsers and Node. */

const standard = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
const urlSafe = `${standard.slice(0, 62)}-_`

const invalid = 64

/** Maps a character code to six bits, for both alphabets. */
const values = new Uint8Array(128).fill(invalid)
for (let i = 0; i < 64; i++) {
  values[standard.charCodeAt(i)] = i
  values[urlSafe.charCodeAt(i)] = i
}

/**
 * Maps twelve bits to two characters of the URL-safe alphabet. This halves the steps for tokens,
 * which are encoded once per record.
 */
const pairs: string[] = []
for (let i = 0; i < 4096; i++) pairs.push(urlSafe[i >> 6]! + urlSafe[i & 63]!)

/** Bytes per step of `encodeBase64`, bounded by the argument limit of `String.fromCharCode`. */
const stepBytes = 8192

/** Encodes with padding, in the standard alphabet. */
export function encodeBase64(bytes: Uint8Array): string {
  let binary = ''
  for (let at = 0; at < bytes.length; at += stepBytes) {
    binary += String.fromCharCode(...bytes.subarray(at, at + stepBytes))
  }
  return btoa(binary)
}

/** Encodes bytes [0, length) without padding, in the URL-safe alphabet. */
export function encodeBase64Url(bytes: Uint8Array, length: number): string {
  let text = ''
  let at = 0
  for (; at + 3 <= length; at += 3) {
    const first = bytes[at]!
    const second = bytes[at + 1]!
    text += pairs[(first << 4) | (second >> 4)]! + pairs[((second & 15) << 8) | bytes[at + 2]!]!
  }
  if (length - at === 2)
    text += pairs[(bytes[at]! << 4) | (bytes[at + 1]! >> 4)]! + urlSafe[(bytes[at + 1]! & 15) << 2]!
  else if (length - at === 1) text += pairs[bytes[at]! << 4]!
  return text
}

/**
 * Decodes either alphabet, with or without padding. Returns undefined for text that is not
 * base64, and for leftover bits that are not zero.
 */
export function decodeBase64(text: string): Uint8Array | undefined {
  let length = text.length
  if (length % 4 === 0) while (length > text.length - 2 && text.charCodeAt(length - 1) === 0x3d) length--
  if (length % 4 === 1) return undefined
  const bytes = new Uint8Array(Math.floor((length * 3) / 4))
  let bits = 0
  let held = 0
  let at = 0
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i)
    const value = code < 128 ? values[code]! : invalid
    if (value === invalid) return undefined
    bits = (bits << 6) | value
    held += 6
    if (held >= 8) {
      held -= 8
      bytes[at++] = bits >> held
      bits &= (1 << held) - 1
    }
  }
  return bits === 0 ? bytes : undefined
}
