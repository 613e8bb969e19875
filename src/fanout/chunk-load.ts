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
 * keys and values that were read. Rejects where they are of another history than the feed's window.
 */
export async function loadChunk(
  intake: StreamIntake,
  { feed, from, maxBytes }: ChunkStart,
  window: Window,
): Promise<number> {
  const { partition, instruments } = feed
  const { rewrites } = feed
  const { head: seen, tail, tailOrdinal, size } = feed.window
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
  const { next, kept, head, records, bytes } = await intake.load({ partition, from, to, maxBytes }, sink)
  if (kept > from) window.lost(from, kept - 1, 'retention')
  if (next !== undefined) window.advance(next)
  instruments.readBackRecords += records
  instruments.readBackBytes += bytes
  // Where the tail has heard of a rewrite meanwhile, nobody is given the chunk.
  if (rewrites === feed.rewrites && (head < seen || (await isOfAnotherHistory(intake, feed, window)))) {
    throw new Error('the log is another one, which its tail has not noticed yet')
  }
  return bytes
}

/**
 * Whether a chunk is of another history than what the gateway has seen of the log: given to a client, its position would be of that one,
 * and what lies below it untold. Generations never fall within a history, so a chunk below the index is suspected where the index has an
 * older one. Only the broker's record at a place of the index says whether that is so: a server's clock that was set back looks the same,
 * and so do times that lie more than 24 days apart (`RecordTimes`).
 */
export async function isOfAnotherHistory(intake: StreamIntake, feed: PartitionFeed, chunk: Window): Promise<boolean> {
  const at = knownUpTo(chunk)
  const generation = chunk.generationAt(at)
  if (generation === unknownGeneration) return false
  const { window } = feed
  const own = window.generationAt(at)
  if (own !== unknownGeneration) return own !== generation
  return window.hasOlder(at, generation) && (await isRewritten(intake, feed))
}

/** Where the log has its newest record that a window knows: the position right behind it. */
function knownUpTo(window: Window): number {
  const { head, newestOffset } = window
  return window.generationAt(head) === unknownGeneration ? newestOffset + 1 : head
}

/** Whether the broker has another record in place of the newest one of the index. */
async function isRewritten(intake: StreamIntake, { partition, window }: PartitionFeed): Promise<boolean> {
  const offset = window.newestOffset
  // Epochs outlive the entries that had them, and need no second look: they never fall.
  if (offset < 0) return true
  const seen = window.generationAt(offset + 1)
  let found = unknownGeneration
  const sink: ChunkSink = {
    entry({ epoch }) {
      found = epoch
      return true
    },
    rejected({ epoch }) {
      found = epoch
    },
    lost() {},
  }
  const { head } = await intake.load({ partition, from: offset, to: offset + 1, maxBytes: 1 }, sink)
  return head <= offset || (found !== unknownGeneration && found !== seen)
}
