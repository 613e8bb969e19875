import { unknownGeneration } from '../base/generation.ts'
import type { ChunkSink, Entry } from '../intake/entries.ts'
import type { StreamIntake } from '../intake/stream-intake.ts'
import type { Window } from '../log/window.ts'
import type { PartitionFeed } from './partition-feed.ts'

/** Takes a chunk of the feed's past into `window`; `append` returns false where an entry has no room there. */
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
 * Reads one chunk of a partition's past into `window`, starting at `from`: what the feed's own window no longer holds. The
 * window's head is where the next chunk starts; what the broker lost on the way is in its losses. Resolves to the bytes of
 * keys and values that were read.
 */
export async function loadChunk(
  intake: StreamIntake,
  { feed, from, maxBytes }: ChunkStart,
  window: Window,
): Promise<number> {
  const { partition, instruments } = feed
  const { tail, tailOrdinal, size } = feed.window
  // A part of what is in memory is read along: by the time at which its readers come so far, it may have left.
  const to = size < 4 ? tail : feed.window.offsetOf(tailOrdinal + Math.floor(size / 4))
  const sink = chunkInto(feed, window, (entry) => {
    // Asked only for what will be stored: a record that is too large to use must not stop the stretch behind it.
    if (!window.hasRoom(entry.eventEnd - entry.eventStart)) return false
    window.append(entry)
    return true
  })
  window.start(from, unknownGeneration)
  instruments.readBacks++
  const { next, kept, records, bytes } = await intake.load({ partition, from, to, maxBytes }, sink)
  if (kept > from) window.lost(from, kept - 1, 'retention')
  if (next !== undefined) window.advance(next)
  instruments.readBackRecords += records
  instruments.readBackBytes += bytes
  return bytes
}
