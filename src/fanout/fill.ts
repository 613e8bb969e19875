import type { Clock } from '../base/clock.ts'
import { unknownGeneration } from '../base/generation.ts'
import type { ChunkSink } from '../intake/entries.ts'
import type { StreamIntake } from '../intake/stream-intake.ts'
import type { Window } from '../log/window.ts'
import type { Offsets } from '../source/source.ts'
import { chunkInto } from './chunk-load.ts'
import { type FillOptions, noFill } from './options.ts'
import type { PartitionFeed } from './partition-feed.ts'

/** The first read: its speed and the size of its records say how far back the rest of the budget reaches. */
const probeRecords = 1024
const chunkBytes = 1 << 20
/** How long beyond the budget a read may take that is under way when it ends, ms: a broker may hold it back for a minute. */
const graceMs = 1000

interface Place {
  readonly intake: StreamIntake
  readonly feed: PartitionFeed
  readonly clock: Clock
}

/**
 * Reads the newest stretch of a partition into its empty window, so that clients that come back right after a start are
 * served from memory: no older than `ageMs`, no more than its share of the pool, no longer than `budgetMs`. The window ends at
 * the head or beyond, whatever goes wrong. False where the broker kept it waiting: others need not try.
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
    // The broker says it again to the tail, which has the patience for it.
    window.start(head, unknownGeneration)
  } finally {
    window.behindMs = 0
  }
  return clock.monotonicMs() < deadline + graceMs
}

/** Records that fit into window and time, going by those that were read. */
function reachable(window: Window, probe: number, leftMs: number, budgetMs: number): number {
  const read = Math.max(1, window.head - probe)
  const fitting = window.size === 0 ? window.shareEntries : (window.shareBytes / window.usedBytes) * window.size
  const spentMs = Math.max(1, budgetMs - leftMs)
  return Math.floor(Math.min(fitting, window.shareEntries, (read / spentMs) * leftMs * 0.5))
}

/** False when the time ran out before `to`. */
async function readInto(place: Place, from: number, to: number, deadline: number): Promise<boolean> {
  const { intake, feed, clock } = place
  const { partition, window } = feed
  let isOver = false
  const into = chunkInto(feed, window, (entry) => {
    window.behindMs = Math.max(0, clock.nowUs() / 1000 - entry.timeMs)
    window.append(entry)
    return true
  })
  // What a read brings that is not waited for any more would come behind the head.
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
