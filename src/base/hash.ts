/** Hashes of byte ranges [start, end), all as unsigned 32-bit numbers, all without allocation. */

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

/** FNV-1a's start; `fnv1a` goes on from an earlier result. */
export const fnv1aStart = 0x811c9dc5

/** FNV-1a, 32 bits: what NATS's `{{partition(n,…)}}` takes modulo n. */
export function fnv1a(bytes: Uint8Array, start: number, end: number, state: number = fnv1aStart): number {
  let h = state
  for (let i = start; i < end; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193)
  return h >>> 0
}

/**
 * murmur3 (x86, 32 bits) with a seed of this process: outsiders who don't know it can't make subjects collide cheaply. A
 * hint all the same: whoever finds by it compares the bytes.
 */
export function seededHash(bytes: Uint8Array, start: number, end: number, seed: number): number {
  let h = seed | 0
  let at = start
  for (; at + 4 <= end; at += 4) {
    const k = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)
    h ^= scramble(k)
    h = (h << 13) | (h >>> 19)
    h = (Math.imul(h, 5) + 0xe6546b64) | 0
  }
  let k = 0
  for (let i = end - 1; i >= at; i--) k = (k << 8) | bytes[i]!
  h ^= scramble(k) ^ (end - start)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

function scramble(k: number): number {
  const mixed = Math.imul(k, 0xcc9e2d51)
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593)
}
