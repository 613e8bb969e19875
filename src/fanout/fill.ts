import type { Clock } from '../base/clock.ts'
import { unknownGeneration } from '../base/generation.ts'
import type { StreamIntake } from '../intake/stream-intake.ts'
import type { Window } from '../log/window.ts'
import type { Offsets } from '../source/source.ts'
import { chunkInto } from './chunk-load.ts'
import { type FillOptions, noFill } from './options.ts'
import type { PartitionFeed } from './partition-feed.ts'

/** The first read: its speed and the size of its records say how far back the rest of the budget reaches. */
const probeRecords = 1024
const chunkBytes = 1 << 20

interface Place {
  readonly intake: StreamIntake
  readonly feed: PartitionFeed
  readonly clock: Clock
}

/**
 * Reads the newest stretch of a partition into its empty window, so that clients that come back right after a start are
 * served from memory: no older than `ageMs`, no more than its share of the pool, no longer than `budgetMs`. The window ends at
 * the head or beyond, whatever goes wrong.
 */
export async function fillWindow(place: Place, offsets: Offsets, { ageMs, budgetMs }: FillOptions): Promise<void> {
  const { intake, feed, clock } = place
  const { partition, window } = feed
  const { first, head } = offsets
  window.start(head, unknownGeneration)
  if (ageMs === noFill || head <= first) return
  const deadline = clock.monotonicMs() + budgetMs
  try {
    const oldest = await intake.offsetAt(partition, clock.nowUs() / 1000 - ageMs)
    const probe = Math.max(first, oldest, head - probeRecords)
    if (!(await readInto(place, probe, head, deadline))) return window.start(head, unknownGeneration)
    const reach = Math.max(first, oldest, head - reachable(window, probe, deadline - clock.monotonicMs(), budgetMs))
    if (reach < probe && !(await readInto(place, reach, head, deadline))) window.start(head, unknownGeneration)
  } catch {
    // The broker says it again to the tail, which has the patience for it.
    window.start(head, unknownGeneration)
  } finally {
    window.behindMs = 0
  }
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
  const sink = chunkInto(feed, window, (entry) => {
    window.behindMs = Math.max(0, clock.nowUs() / 1000 - entry.timeMs)
    window.append(entry)
    return true
  })
  window.start(from, unknownGeneration)
  for (let asked = from; asked < to; asked = window.head) {
    if (clock.monotonicMs() > deadline) return false
    const { next, kept } = await intake.load({ partition, from: asked, to, maxBytes: chunkBytes }, sink)
    if (kept > asked) return readInto(place, kept, to, deadline)
    if (next === undefined || next <= asked) return false
    window.advance(next)
  }
  return true
}
