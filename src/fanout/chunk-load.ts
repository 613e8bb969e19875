import { unknownGeneration } from '../base/generation.ts'
import type { ChunkSink, Entry } from '../intake/entries.ts'
import type { StreamIntake } from '../intake/stream-intake.ts'
import type { Window } from '../log/window.ts'
import type { PartitionFeed } from './partition-feed.ts'

/**
 * Returns a sink that puts a chunk of the feed's past into `window`. `append` returns false if it
 * has no room for an entry.
 */
export function chunkInto(feed: PartitionFeed, window: Window, append: (entry: Entry) => boolean): ChunkSink {
  return {
    entry: append,
    rejected: (record, reason) => feed.passed(window, record, reason),
    lost: (from, to, reason) => window.lost(from, to, reason),
  }
}

export interface ChunkStart {
  readonly feed: PartitionFeed
  readonly from: number
  readonly maxBytes: number
}

/**
 * Reads one chunk of a partition's past into `window`, starting at `from`: records that the
 * feed's window no longer holds. The next chunk starts at the window's head. The window's losses
 * contain what the broker lost. Resolves to the bytes of keys and values read. Rejects if the
 * chunk is of another history than the feed's window.
 */
export async function loadChunk(
  intake: StreamIntake,
  { feed, from, maxBytes }: ChunkStart,
  window: Window,
): Promise<number> {
  const { partition, instruments } = feed
  const { rewrites } = feed
  const { head: seen, tail, tailOrdinal, size } = feed.window
  // Reads a quarter of the records in memory too: they may be evicted before the readers get
  // there.
  const to = size < 4 ? tail : feed.window.offsetOf(tailOrdinal + Math.floor(size / 4))
  const sink = chunkInto(feed, window, (entry) => {
    // Checks the room for usable records only: an unusable large record must not end the chunk.
    if (!window.hasRoom(entry.eventEnd - entry.eventStart)) return false
    window.append(entry)
    return true
  })
  window.start(from, unknownGeneration)
  instruments.readBacks++
  const { next, kept, head, records, bytes } = await intake.load({ partition, from, to, maxBytes }, sink)
  if (kept > from) window.lost(from, kept - 1, 'retention')
  if (next !== undefined) window.advance(next)
  instruments.readBackRecords += records
  instruments.readBackBytes += bytes
  // If the tail has reported a rewrite meanwhile, no reader gets the chunk, so skip the check.
  if (rewrites === feed.rewrites && (head < seen || (await isOfAnotherHistory(intake, feed, window)))) {
    throw new Error('the log was rewritten, and its tail has not noticed yet')
  }
  return bytes
}

/**
 * Returns whether a chunk is of another history than the gateway's window. If a client got such a
 * chunk, its position would be of the other history, and the gap below it would never be
 * reported. Generations never decrease within a history, so a chunk below the index is suspect if
 * the index has an older generation. Only the broker's record at an offset of the index settles
 * that: a server clock that was set back looks the same, and so do times more than 24 days apart
 * (`RecordTimes`).
 */
export async function isOfAnotherHistory(intake: StreamIntake, feed: PartitionFeed, chunk: Window): Promise<boolean> {
  const at = knownUpTo(chunk)
  const generation = chunk.generationAt(at)
  if (generation === unknownGeneration) return false
  const { window } = feed
  const known = window.generationAt(at)
  if (known !== unknownGeneration) return known !== generation
  return window.hasOlder(at, generation) && (await isRewritten(intake, feed))
}

/** Returns the position after the newest record that a window knows. */
function knownUpTo(window: Window): number {
  const { head, newestOffset } = window
  return window.generationAt(head) === unknownGeneration ? newestOffset + 1 : head
}

/** Returns whether the broker has another record at the offset of the index's newest one. */
async function isRewritten(intake: StreamIntake, { partition, window }: PartitionFeed): Promise<boolean> {
  const offset = window.newestOffset
  // Without entries, generations are epochs, which outlive entries. They never decrease, so they
  // need no second check.
  if (offset < 0) return true
  const seen = window.generationAt(offset + 1)
  let found = unknownGeneration
  const sink: ChunkSink = {
    entry({ generation }) {
      found = generation
      return true
    },
    rejected({ generation }) {
      found = generation
    },
    lost() {},
  }
  const { head } = await intake.load({ partition, from: offset, to: offset + 1, maxBytes: 1 }, sink)
  return head <= offset || (found !== unknownGeneration && found !== seen)
}
