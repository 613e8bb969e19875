/**
 * Hashes of byte ranges [start, end). All return unsigned 32-bit numbers and allocate nothing.
 */

/**
 * Kafka's murmur2 (org.apache.kafka.common.utils.Utils): the Java client's partition of a key is
 * `(murmur2(key) & 0x7fffffff) % partitions`.
 */
export function murmur2(bytes: Uint8Array, start: number, end: number): number {
  const m = 0x5bd1e995
  const length = end - start
  let h = (0x9747b28c ^ length) | 0
  let at = start
  for (; at + 4 <= end; at += 4) {
    let k = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    k = Math.imul(k, m)
    k ^= k >>> 24
    h = Math.imul(h, m) ^ Math.imul(k, m)
  }
  const rest = end - at
  if (rest > 2) h ^= bytes[at + 2]! << 16
  if (rest > 1) h ^= bytes[at + 1]! << 8
  if (rest > 0) h = Math.imul(h ^ bytes[at]!, m)
  h ^= h >>> 13
  h = Math.imul(h, m)
  return (h ^ (h >>> 15)) >>> 0
}

/** CRC-32 of each byte (IEEE 802.3, the polynomial reversed). */
const crcOfByte = /* @__PURE__ */ Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  return crc
})

/** CRC-32 as in zlib. librdkafka's default partition of a key is `crc32(key) % partitions`. */
export function crc32(bytes: Uint8Array, start: number, end: number): number {
  let crc = -1
  for (let i = start; i < end; i++) crc = (crc >>> 8) ^ crcOfByte[(crc ^ bytes[i]!) & 0xff]!
  return ~crc >>> 0
}

/** Initial state of FNV-1a. `fnv1a` can continue from an earlier result. */
export const fnv1aStart = 0x811c9dc5

/** FNV-1a, 32 bits. NATS's `{{partition(n,…)}}` is this modulo n. */
export function fnv1a(bytes: Uint8Array, start: number, end: number, state: number = fnv1aStart): number {
  let h = state
  for (let i = start; i < end; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193)
  return h >>> 0
}

/**
 * HalfSipHash-1-3 (Aumasson and Bernstein; the Linux kernel uses it for its hash tables), keyed
 * by a seed of this process. Against hash flooding: without the seed, an attacker can't choose
 * subjects that collide. With a plain seeded hash such as murmur3, subjects that collide for
 * every seed are found within a second. The hash remains a hint: callers compare the bytes.
 */
export function seededHash(bytes: Uint8Array, start: number, end: number, seed: number): number {
  key[0] = seed
  key[1] = Math.imul(seed, 0x9e3779b1) ^ 0x85ebca6b
  return halfSipHash(bytes, start, end, key)
}

/** The key of the current hash, set before each one. */
const key = /* @__PURE__ */ new Int32Array(2)

/** Takes the 64-bit key as two words, lower half first. */
export function halfSipHash(bytes: Uint8Array, start: number, end: number, key: Int32Array): number {
  const words = (end - start) >>> 2
  const key0 = key[0]!
  const key1 = key[1]!
  let v0 = key0
  let v1 = key1
  let v2 = 0x6c796765 ^ key0
  let v3 = 0x74656462 ^ key1
  // One round per word, one for the remaining bytes and the length, and three to finish, which
  // take no input.
  for (let round = 0; round < words + 4; round++) {
    const at = start + round * 4
    let word = 0
    if (round < words) word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    else if (round === words) word = restAndLength(bytes, at, end, end - start)
    else if (round === words + 1) v2 ^= 0xff
    v3 ^= word
    v0 = (v0 + v1) | 0
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0
    v0 = (v0 << 16) | (v0 >>> 16)
    v2 = (v2 + v3) | 0
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2
    v0 = (v0 + v3) | 0
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0
    v2 = (v2 + v1) | 0
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2
    v2 = (v2 << 16) | (v2 >>> 16)
    v0 ^= word
  }
  return (v1 ^ v3) >>> 0
}

/** Returns the last bytes, fewer than four, and the length's low byte as one word. */
function restAndLength(bytes: Uint8Array, at: number, end: number, length: number): number {
  let word = length << 24
  for (let i = end - 1, shift = (end - 1 - at) * 8; i >= at; i--, shift -= 8) word |= bytes[i]! << shift
  return word
}
