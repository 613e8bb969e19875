import type { Window } from '../log/window.ts'

/** Entries of one subject that are followed back: bounds what one answer costs. */
const maxSteps = 4096

/** What the index knows of a reader's stretch in the window's lower tier. */
interface Entries {
  /** How many there are; counted no further than asked for. */
  readonly count: number
  /** Above the place where that was reached; the index's tail where it was not. */
  readonly from: number
}

/**
 * The lowest offset from which `bytes` of read-back bring a reader to what is in memory. Where the index knows the few records of its
 * subjects (`hashes`; undefined = it wants whatever it reads) each costs a chunk at most, elsewhere an offset costs what it does on
 * average in memory; whichever reaches further back.
 */
export function reach(
  window: Window,
  hashes: readonly number[] | undefined,
  bytes: number,
  chunkBytes: number,
): number {
  const { tail, head, indexTail, usedBytes } = window
  if (bytes <= 0) return tail
  if (usedBytes === 0) return 0
  const offsets = (of: number) => Math.floor((of * (head - tail)) / usedBytes)
  const plain = tail - offsets(bytes)
  if (hashes === undefined || plain <= indexTail) return Math.max(0, plain)
  const most = Math.floor(bytes / chunkBytes / hashes.length)
  const found = hashes.map((hash) => entriesOf(window, hash, most))
  const from = Math.max(...found.map((entries) => entries.from))
  if (from > indexTail) return Math.min(plain, from)
  const spent = found.reduce((sum, { count }) => sum + count, 0) * chunkBytes
  return Math.max(0, indexTail - offsets(bytes - spent))
}

/** The newest `most` entries of one subject whose payloads have left the memory. */
function entriesOf(window: Window, hash: number, most: number): Entries {
  let count = 0
  let at = window.newest(hash)
  for (let steps = 0; at >= 0; steps++) {
    if (at < window.tailOrdinal && ++count > most) return { count: most, from: window.offsetOf(at) + 1 }
    if (steps === maxSteps) return { count, from: window.offsetOf(at) }
    at = window.previous(at)
  }
  return { count, from: window.indexTail }
}
