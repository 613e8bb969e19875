import type { Clock } from '../base/clock.ts'
import { unknownGeneration } from '../base/generation.ts'
import type { ChunkSink } from '../intake/entries.ts'
import type { StreamIntake } from '../intake/stream-intake.ts'
import type { Window } from '../log/window.ts'
import type { Offsets } from '../source/source.ts'
import { chunkInto, isOfAnotherHistory } from './chunk-load.ts'
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

/** A stretch of a feed's past in its own window, and the feed's `rewrites` before it was read. */
export interface LeftOver {
  readonly feed: PartitionFeed
  readonly rewrites: number
  readonly window: Window
}

interface Place {
  readonly intake: StreamIntake
  readonly feed: PartitionFeed
  readonly clock: Clock
  /** Receives a stretch that was not complete in time. The receiver keeps or closes its window. */
  leftOver(stretch: LeftOver): void
}

interface Stretch {
  readonly from: number
  readonly to: number
  /** Monotonic ms. */
  readonly deadline: number
}

/**
 * Reads the newest stretch of a partition into its empty window, so that clients that return
 * right after a start are served from memory. Records are at most `ageMs` old, take at most the
 * partition's share of the pool, and at most `budgetMs` of time. The window always ends at the
 * head or beyond. A stretch that is not complete in time goes to `leftOver`. Returns false if the
 * broker was too slow, so that the caller skips the other partitions.
 */
export async function fillWindow(place: Place, offsets: Offsets, { ageMs, budgetMs }: FillOptions): Promise<boolean> {
  const { intake, feed, clock } = place
  const { partition, window } = feed
  const { first, head } = offsets
  window.start(head, unknownGeneration)
  if (ageMs === noFill || head <= first) return true
  const deadline = clock.monotonicMs() + budgetMs
  const { shareBytes, shareEntries } = window
  try {
    const oldest = await intake.offsetAt(partition, clock.nowUs() / 1000 - ageMs)
    const probe = Math.max(first, oldest, head - probeRecords)
    if (await fillFrom(place, { from: probe, to: head, deadline })) {
      const spent = { leftMs: deadline - clock.monotonicMs(), budgetMs }
      const reachable = recordsWithin(feed.window, { shareBytes, shareEntries }, spent)
      const reach = Math.max(first, oldest, head - reachable)
      if (reach < probe) await fillFrom(place, { from: reach, to: head, deadline })
    }
  } catch {
    // The tail will get the same error, and retries.
  }
  return clock.monotonicMs() < deadline + graceMs
}

/**
 * Returns the number of records that fit into the window and the remaining time, estimated from
 * those already read.
 */
function recordsWithin(
  { size, head, tail, usedBytes }: Window,
  { shareBytes, shareEntries }: Pick<Window, 'shareBytes' | 'shareEntries'>,
  { leftMs, budgetMs }: { leftMs: number; budgetMs: number },
): number {
  const read = Math.max(1, head - tail)
  const fitting = size === 0 ? shareEntries : (shareBytes / usedBytes) * size
  const spentMs = Math.max(1, budgetMs - leftMs)
  return Math.floor(Math.min(fitting, shareEntries, (read / spentMs) * leftMs * 0.5))
}

/**
 * Replaces the feed's window with one that begins at `from`. Returns false if the time ran out
 * before `to`: the feed then keeps its window.
 */
async function fillFrom(place: Place, stretch: Stretch): Promise<boolean> {
  const { feed, clock } = place
  const { rewrites } = feed
  const window = feed.window.sibling()
  const reading = readInto(place, window, stretch)
  let isComplete: boolean | undefined
  try {
    isComplete = await before(clock, stretch.deadline + graceMs, reading)
  } finally {
    window.behindMs = 0
    if (isComplete === true) feed.adopt(window)
    else {
      const isOver = () => leaveOver(place, { feed, rewrites, window })
      // A read under way may still bring records.
      reading.then(isOver, isOver)
    }
  }
  return isComplete === true
}

/** Hands a stretch over. The tail may have begun since: it is dropped if it is of another history. */
async function leaveOver({ intake, leftOver }: Place, stretch: LeftOver): Promise<void> {
  const { feed, rewrites, window } = stretch
  const isOther = rewrites !== feed.rewrites || (await isOfAnotherHistory(intake, feed, window).catch(() => true))
  if (isOther) window.start(0, unknownGeneration)
  leftOver(stretch)
}

/** Reads [from, to) into the window. Returns false if the time ran out before `to`. */
async function readInto(place: Place, window: Window, { from, to, deadline }: Stretch): Promise<boolean> {
  const { intake, feed, clock } = place
  const { partition } = feed
  const into = chunkInto(feed, window, (entry) => {
    window.behindMs = Math.max(0, clock.nowUs() / 1000 - entry.timeMs)
    window.append(entry)
    return true
  })
  const sink: ChunkSink = {
    ...into,
    get full() {
      return clock.monotonicMs() > deadline + graceMs
    },
  }
  window.start(from, unknownGeneration)
  for (let asked = from; asked < to; asked = window.head) {
    if (clock.monotonicMs() > deadline) return false
    const { next, kept, head } = await intake.load({ partition, from: asked, to, maxBytes: chunkBytes }, sink)
    if (head < to) {
      // The log was cut: what was read may be of another history.
      window.start(to, unknownGeneration)
      return false
    }
    if (kept > asked) return readInto(place, window, { from: kept, to, deadline })
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
