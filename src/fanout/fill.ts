import type { Clock } from '../base/clock.ts'
import { unknownGeneration } from '../base/generation.ts'
import type { ChunkSink } from '../intake/entries.ts'
import type { StreamIntake } from '../intake/stream-intake.ts'
import type { Window } from '../log/window.ts'
import type { Offsets } from '../source/source.ts'
import { chunkInto } from './chunk-load.ts'
import { type FillOptions, noFill } from './options.ts'
import type { PartitionFeed } from './partition-feed.ts'

/**
 * Records in the first read. Their size and the time they take determine how far back the rest of
 * the budget reaches.
 */
const probeRecords = 1024
const chunkBytes = 1 << 20
/**
 * Time beyond the budget that a read under way may still take, ms. A broker may delay a read by a
 * minute.
 */
const graceMs = 1000

interface Place {
  readonly intake: StreamIntake
  readonly feed: PartitionFeed
  readonly clock: Clock
}

/**
 * Reads the newest stretch of a partition into its empty window, so that clients that return
 * right after a start are served from memory. Records are at most `ageMs` old, take at most the
 * partition's share of the pool, and at most `budgetMs` of time. The window always ends at the
 * head or beyond; after a failure it is empty. Returns false if the broker was too slow, so that
 * the caller skips the other partitions.
 */
export async function fillWindow(place: Place, offsets: Offsets, { ageMs, budgetMs }: FillOptions): Promise<boolean> {
  const { intake, feed, clock } = place
  const { partition, window } = feed
  const { first, head } = offsets
  window.start(head, unknownGeneration)
  if (ageMs === noFill || head <= first) return true
  const deadline = clock.monotonicMs() + budgetMs
  try {
    const oldest = await intake.offsetAt(partition, clock.nowUs() / 1000 - ageMs)
    const probe = Math.max(first, oldest, head - probeRecords)
    let isRead = await readInto(place, probe, head, deadline)
    if (isRead) {
      const reach = Math.max(first, oldest, head - reachable(window, probe, deadline - clock.monotonicMs(), budgetMs))
      if (reach < probe) isRead = await readInto(place, reach, head, deadline)
    }
    if (!isRead) window.start(head, unknownGeneration)
  } catch {
    // The tail will get the same error, and retries.
    window.start(head, unknownGeneration)
  } finally {
    window.behindMs = 0
  }
  return clock.monotonicMs() < deadline + graceMs
}

/**
 * Returns the number of records that fit into the window and the remaining time, estimated from
 * those already read.
 */
function reachable(window: Window, probe: number, leftMs: number, budgetMs: number): number {
  const read = Math.max(1, window.head - probe)
  const fitting = window.size === 0 ? window.shareEntries : (window.shareBytes / window.usedBytes) * window.size
  const spentMs = Math.max(1, budgetMs - leftMs)
  return Math.floor(Math.min(fitting, window.shareEntries, (read / spentMs) * leftMs * 0.5))
}

/** Reads [from, to) into the window. Returns false if the time ran out before `to`. */
async function readInto(place: Place, from: number, to: number, deadline: number): Promise<boolean> {
  const { intake, feed, clock } = place
  const { partition, window } = feed
  let isOver = false
  const into = chunkInto(feed, window, (entry) => {
    window.behindMs = Math.max(0, clock.nowUs() / 1000 - entry.timeMs)
    window.append(entry)
    return true
  })
  // Ignores records that arrive after the deadline: their offsets would be above the head.
  const sink: ChunkSink = {
    entry: (entry) => !isOver && into.entry(entry),
    rejected: (...rejected) => isOver || into.rejected(...rejected),
    lost: (...lost) => isOver || into.lost(...lost),
  }
  window.start(from, unknownGeneration)
  for (let asked = from; asked < to; asked = window.head) {
    if (clock.monotonicMs() > deadline) return false
    const loaded = intake.load({ partition, from: asked, to, maxBytes: chunkBytes }, sink)
    const end = await before(clock, deadline + graceMs, loaded)
    if (end === undefined) {
      isOver = true
      return false
    }
    const { next, kept } = end
    if (kept > asked) return readInto(place, kept, to, deadline)
    if (next === undefined || next <= asked) return false
    window.advance(next)
  }
  return true
}

/** Resolves to the result of `work`, or undefined at `deadline`. */
async function before<T>(clock: Clock, deadline: number, work: Promise<T>): Promise<T | undefined> {
  let cancel = () => {}
  const late = new Promise<undefined>((resolve) => {
    cancel = clock.after(Math.max(0, deadline - clock.monotonicMs()), () => resolve(undefined))
  })
  try {
    return await Promise.race([work, late])
  } finally {
    cancel()
    work.catch(() => {})
  }
}
