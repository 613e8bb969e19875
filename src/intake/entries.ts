import type { RejectReason } from '../base/reject-reasons.ts'
import type { NewEntry } from '../log/entry.ts'
import type { LostReason, UnreadableReason } from '../log/record.ts'
import type { Offsets, StreamInfo, TailState } from '../source/source.ts'

/**
 * A validated event: a window's entry and the fields that a live delivery needs. One object is
 * reused.
 */
export interface Entry extends NewEntry {
  /** Publisher's clock, Unix µs, or the record's time if the publisher set none. */
  publishedAtUs: number
}

/** Location of a rejected record. */
export interface RejectedRecord {
  readonly offset: number
  readonly generation: number
  readonly timeMs: number
}

/**
 * Receives everything intake reports about a stream. Implementations need no broker, route or
 * format. Calls are synchronous. Those for one partition come in the order of its log.
 */
export interface EntrySink {
  /** The stream could not be opened, and why; the intake retries. */
  unopened(error: unknown): void
  /**
   * First call: the stream is available. Resolves when the sink has loaded as much of the past as
   * it wants.
   */
  opened(info: StreamInfo, bounds: readonly Offsets[]): Promise<void>
  /** Offset of the next entry wanted, by partition; undefined = the partition is not wanted. */
  heads(): (number | undefined)[]
  /** The entry is valid during the call. */
  entry(partition: number, entry: Entry): void
  rejected(partition: number, record: RejectedRecord, reason: RejectReason): void
  /** A batch has ended: `next` is the next offset to read, see `TailSink.end`. */
  end(partition: number, next: number, offsets: Offsets): void
  /** See `TailSink.lost`. */
  lost(partition: number, from: number, to: number, reason: LostReason): void
  /** The name now belongs to another log, which is read from its beginning. */
  recreated(info: StreamInfo): void
  /** Partitions were added, which are read from their beginning. */
  grown(info: StreamInfo): void
  /** Whether the stream is readable; `detail` says why not, as text for people. */
  state(state: TailState, detail: string): void
}

/** Receives the contents of one chunk of a partition's past, in order. */
export interface ChunkSink {
  /**
   * Returns false if there is no room: the chunk then ends before this entry. The entry is valid
   * during the call.
   */
  entry(entry: Entry): boolean
  rejected(record: RejectedRecord, reason: RejectReason): void
  lost(from: number, to: number, reason: UnreadableReason): void
  /** True = nothing more is wanted, see `RangeSink.full`. */
  readonly full?: boolean
}

export interface ChunkEnd {
  /** Start of the next chunk; undefined = the entry that had no room. */
  readonly next: number | undefined
  /**
   * The first offset that the log still had. If it is above `from`, retention deleted the records
   * between.
   */
  readonly kept: number
  /** The log's head when the chunk was read. */
  readonly head: number
  /** Number of records in the chunk, and bytes of the keys and values that were read. */
  readonly records: number
  readonly bytes: number
}
