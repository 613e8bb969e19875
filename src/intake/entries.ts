import type { NewEntry } from '../log/entry.ts'
import type { LostReason, UnreadableReason } from '../log/record.ts'
import type { Offsets, StreamInfo, TailState } from '../source/source.ts'
import type { RejectReason } from './rejected.ts'

/** An event that intake has validated: a window's entry, and what a live delivery needs besides. One object is reused. */
export interface Entry extends NewEntry {
  /** Publisher's clock, Unix µs; the record's own time where the publisher gave none. */
  publishedAtUs: number
}

/** Where a record lies that can't be used. */
export interface RejectedRecord {
  readonly offset: number
  readonly epoch: number
  readonly timeMs: number
}

/**
 * What intake says of a stream, and all that it says: whoever takes it keeps and fans out entries without a broker, a route or a
 * format. Calls are synchronous; those of one partition come in the order of its log.
 */
export interface EntrySink {
  /** It could not be opened, which is tried again: what went wrong. */
  unopened(error: unknown): void
  /** The stream is there, and nothing was said of it before. Resolves once as much of its past is loaded as is wanted. */
  opened(info: StreamInfo, bounds: readonly Offsets[]): Promise<void>
  /** By partition: the offset of the next entry that is wanted; undefined = none of it is. */
  heads(): (number | undefined)[]
  /** Valid during the call. */
  entry(partition: number, entry: Entry): void
  rejected(partition: number, record: RejectedRecord, reason: RejectReason): void
  /** A batch is through: `next` is read next, see `TailSink.end`. */
  end(partition: number, next: number, offsets: Offsets): void
  /** See `TailSink.lost`. */
  lost(partition: number, from: number, to: number, reason: LostReason): void
  /** Another log has the name from here on; it is read from its beginning. */
  recreated(info: StreamInfo): void
  /** The added partitions are read from their beginning. */
  grown(info: StreamInfo): void
  /** Whether the stream can be read; `detail` is why not, for people. */
  state(state: TailState, detail: string): void
}

/** What one chunk of a partition's past consists of, in order. */
export interface ChunkSink {
  /** False = there is no room for it: the chunk ends before it. The entry is valid during the call. */
  entry(entry: Entry): boolean
  rejected(record: RejectedRecord, reason: RejectReason): void
  lost(from: number, to: number, reason: UnreadableReason): void
  /** True = nothing more is wanted, see `RangeSink.full`. */
  readonly full?: boolean
}

export interface ChunkEnd {
  /** Where the next chunk starts; undefined = before the entry for which there was no room. */
  readonly next: number | undefined
  /** The first offset that the log still had: above `from`, what lies between was lost to retention. */
  readonly kept: number
  /** Where the log ended as of this read. */
  readonly head: number
  /** Records that it has, and bytes of the keys and values that were read. */
  readonly records: number
  readonly bytes: number
}
