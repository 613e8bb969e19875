import type { Clock } from '../base/clock.ts'
import { unknownGeneration } from '../base/generation.ts'
import type { ChunkSink } from '../intake/entries.ts'
import type { StreamIntake } from '../intake/stream-intake.ts'
import type { Window } from '../log/window.ts'
import type { Offsets } from '../source/source.ts'
import { chunkInto, isOfAnotherHistory } from './chunk-load.ts'
import { type FillOptions, noFill } from './options.ts'
import type { PartitionFeed } from './partition-feed.ts'

/** The first read: its speed and the size of its records say how far back the rest of the budget reaches. */
const probeRecords = 1024
const chunkBytes = 1 << 20
/** How long beyond the budget a read may take that is under way when it ends, ms: a broker may hold it back for a minute. */
const graceMs = 1000

/** A stretch of a feed's past that was read and has a window of its own, and the feed's `rewrites` as of before it was read. */
export interface LeftOver {
  readonly feed: PartitionFeed
  readonly rewrites: number
  readonly window: Window
}

interface Place {
  readonly intake: StreamIntake
  readonly feed: PartitionFeed
  readonly clock: Clock
  /** Takes what was read and does not reach the feed's window, because the time ran out: to be kept, or closed. */
  leftOver(stretch: LeftOver): void
}

interface Stretch {
  readonly from: number
  readonly to: number
  /** Monotonic ms. */
  readonly deadline: number
}

/**
 * Reads the newest stretch of a partition into its empty window, so that clients that come back right after a start are
 * served from memory: no older than `ageMs`, no more than its share of the pool, no longer than `budgetMs`. The window ends at
 * the head or beyond, whatever goes wrong; what was read of a stretch that did not come in time is left over. False where the broker
 * kept it waiting: others need not try.
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
    // The broker says it again to the tail, which has the patience for it.
  }
  return clock.monotonicMs() < deadline + graceMs
}

/** Records that fit into window and time, going by those that were read. */
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

/** Gives the feed a window that begins at `from`; false when the time ran out before `to`, and it keeps the one that it has. */
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
      // What is under way may still come.
      reading.then(isOver, isOver)
    }
  }
  return isComplete === true
}

/** The tail may have begun meanwhile: a stretch of another history than what it has read is of no use. */
async function leaveOver({ intake, leftOver }: Place, stretch: LeftOver): Promise<void> {
  const { feed, rewrites, window } = stretch
  const isOther = rewrites !== feed.rewrites || (await isOfAnotherHistory(intake, feed, window).catch(() => true))
  if (isOther) window.start(0, unknownGeneration)
  leftOver(stretch)
}

/** False when the time ran out before `to`. */
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

/** What `work` resolves to; undefined where that takes until `deadline`. */
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
