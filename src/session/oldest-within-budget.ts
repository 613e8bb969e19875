import type { Window } from '../log/window.ts'

/**
 * Maximum entries to follow back, for each subject and for all together: bounds the cost of one
 * call.
 */
const maxSteps = { each: 4096, all: 16_384 }

/** Index entries of one subject whose payloads have left the window. */
interface Entries {
  /** Number of entries, up to the requested maximum. */
  readonly count: number
  /**
   * Offset from which on all entries are counted; the index's tail if the chain was followed to
   * its end.
   */
  readonly from: number
}

/**
 * Returns the lowest offset from which `bytes` of read-back suffice to bring a reader to the
 * window. If the index knows the few records of its subjects, each costs one chunk at most.
 * Anything else costs as many bytes an offset as the records in memory on average. The estimate
 * that reaches further back counts. `hashes` undefined = the reader wants every record.
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

/**
 * Counts the newest entries of one subject whose payloads have left the window: `most` at most,
 * and at most `steps` steps back.
 */
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
