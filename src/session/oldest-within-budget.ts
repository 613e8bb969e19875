import type { Window } from '../log/window.ts'

/** Entries that are followed back, of one subject and of all: bounds what one answer costs. */
const maxSteps = { each: 4096, all: 16_384 }

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
export function oldestWithinBudget(
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
  const steps = Math.min(maxSteps.each, Math.floor(maxSteps.all / hashes.length))
  const found = hashes.map((hash) => entriesOf(window, { hash, most, steps }))
  const from = Math.max(...found.map((entries) => entries.from))
  if (from > indexTail) return Math.min(plain, from)
  const spent = found.reduce((sum, { count }) => sum + count, 0) * chunkBytes
  return Math.max(0, indexTail - offsets(bytes - spent))
}

/** The newest `most` entries of one subject whose payloads have left the memory, `steps` back at most. */
function entriesOf(
  window: Window,
  { hash, most, steps }: { readonly hash: number; readonly most: number; readonly steps: number },
): Entries {
  let count = 0
  let at = window.newest(hash)
  for (let step = 0; at >= 0; step++) {
    if (at < window.tailOrdinal && ++count > most) return { count: most, from: window.offsetOf(at) + 1 }
    if (step === steps) return { count, from: window.offsetOf(at) }
    at = window.previous(at)
  }
  return { count, from: window.indexTail }
}
