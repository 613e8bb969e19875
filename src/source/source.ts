import type { BrokerUse } from '../base/broker-uses.ts'
import type { Generations, LostReason, SourceRecord, UnreadableReason } from '../log/record.ts'
import type { StreamSettings } from './settings.ts'

/**
 * The broker contract: a durable, partitioned log that is read at explicit offsets. One
 * conformance suite (test/source/conformance.ts) runs against every adapter.
 *
 * Failures that a caller can act on are CarillonErrors: `broker_unavailable` (unreachable, timed
 * out, refused), `stream_missing`, `stream_unusable` (set up wrongly, or refused permanently),
 * `no_route` (a subject that the stream does not take), `event_too_large`, `storage_full`,
 * `storage_locked`. No adapter keeps state about its readers in the broker.
 */
export interface Source {
  readonly kind: 'kafka' | 'embedded' | 'nats'
  /**
   * Display name: `kafka://h:9092,h2:9092`, `nats://h:4222`, `embedded:/var/lib/carillon`; never
   * contains credentials.
   */
  readonly name: string
  /** The offset of a log's very first record: 0, on JetStream 1. */
  readonly firstOffset: number
  /** Meaning of `SourceRecord.generation`. */
  readonly generations: Generations

  /**
   * Returns the stream as it is now; undefined when the broker answers that it does not exist.
   */
  describe(stream: string): Promise<StreamInfo | undefined>

  /** Creates the stream; also resolves if it exists already (with any partition count). */
  create(stream: string, partitions: number): Promise<void>

  /** Returns the command with which an operator creates the stream on this broker. */
  createCommand(stream: string, partitions: number): string

  /**
   * Returns the partition's bounds now: the `first` retained offset, and the `head`, the next
   * offset that a read-committed reader waits for.
   */
  offsets(stream: StreamInfo, partition: number): Promise<Offsets>

  /** Returns the first offset whose record time is ≥ `timeMs`; the head if there is none. */
  offsetAt(stream: StreamInfo, partition: number, timeMs: number): Promise<number>

  /**
   * Reads each partition from its offset (`from[partition]`) and continues through broker faults,
   * until the partition is dropped or the tail closed. A partition without an offset is *absent*:
   * it is not read until it is added. `sink` is called synchronously: for each partition, any
   * number of `record` with ascending offsets, then one `end`. No call follows once close() has
   * been called. A tail whose offset is beyond the head waits there. If the offset is below the
   * first retained one, `lost` reports it.
   */
  tail(stream: StreamInfo, from: readonly (number | undefined)[], sink: TailSink): Tail

  /**
   * Reads one chunk of the records of a partition with `from` ≤ offset < `to`: at least one when there is one, unless the broker fails behind
   * a stretch without any, which is the chunk then. Records outside of [from, to) are not shown. Runs on other connections than the tail. Rejects with `stream_missing` when the incarnation is gone.
   */
  range(stream: StreamInfo, chunk: Chunk, sink: RangeSink): Promise<RangeEnd>

  /**
   * Appends records, in their order within each partition, and resolves after the broker's
   * durable acknowledgement of all of them. After a rejection some may have been written
   * nevertheless.
   */
  publish(stream: StreamInfo, records: readonly OutRecord[]): Promise<Ack[]>

  /**
   * Returns the stream's setup on the broker, for operators. Absent if this process is the
   * broker.
   */
  settings?(stream: StreamInfo): Promise<StreamSettings>

  /** Ends tails, connections and files; resolves when all are closed. */
  close(): Promise<void>
}

export interface StreamInfo {
  readonly name: string
  /**
   * Distinguishes this log from an earlier one of the same name: Kafka's topic id, the embedded
   * log's creation id.
   */
  readonly incarnation: string
  readonly partitions: number
}

export interface Offsets {
  readonly first: number
  readonly head: number
  /** Absent = the log ends at the head. */
  readonly blocked?: Blocked
}

/** The part of the log after the head, which nobody may read before an open transaction ends. */
export interface Blocked {
  readonly offsets: number
  /** Time since which the head has not moved, as far as observed, Unix ms. */
  readonly sinceMs: number
}

export interface TailSink {
  record(record: SourceRecord): void
  /**
   * Ends a batch of `partition`: `next` is read next (≥ last record + 1: markers and compacted
   * holes are skipped).
   */
  end(partition: number, next: number, offsets: Offsets): void
  /**
   * Reports that [from, to] cannot be read any more. The tail continues at `to + 1` or, after a
   * rewrite, at `from`. `retention`: the log's start moved past the reader. `corrupt`: a batch
   * whose checksum was wrong twice. `unsupported`: records in a form that the adapter does not
   * read. `rewritten`: the log changed below the reader (an unclean election, an end that moved
   * back), and records are read again from `from`.
   */
  lost(partition: number, from: number, to: number, reason: LostReason): void
  /**
   * Reports that the stream was deleted and created again under its name. The tail continues at
   * `firstOffset` of each partition that it reads; `lost` reports what retention took since.
   * Absent partitions stay absent; partitions that no longer exist are dropped.
   */
  recreated(stream: StreamInfo): void
  /** Reports that the stream has more partitions than before: the new ones are absent. */
  grown(stream: StreamInfo): void
  /**
   * Reports the tail's state. `up`: reads of all partitions work; a `detail` is then something
   * that an operator should look at. `away`: the broker (or the partition's leader) cannot be
   * reached or refuses access; the tail retries. `missing`: the broker has no such stream. Called
   * again if `detail`, the reason, changes.
   */
  state(state: TailState, detail: string): void
}

export type TailState = 'up' | 'away' | 'missing'

/**
 * Reads exactly the partitions it was given: none replaces another, and none starts by itself.
 * Every method may be called from within the sink.
 */
export interface Tail {
  /**
   * Starts to read an absent partition at `from`, as tail() does; by default at `firstOffset`.
   * Throws `stream_missing` for a partition that the stream does not have, according to the last
   * call to the sink, and `internal` for one that is already read. Does not call the sink before
   * it returns.
   */
  add(partition: number, from?: number): void
  /**
   * Makes the partition absent: the sink gets nothing more of it, even of reads under way, and
   * other partitions are not affected. If it was the only one that could not be read, `state`
   * reports that before this returns. Does nothing for an absent partition.
   */
  drop(partition: number): void
  close(): Promise<void>
}

/** Parameters of one call of `range`: it reads the beginning of [from, to), up to `maxBytes`. */
export interface Chunk {
  readonly partition: number
  readonly from: number
  readonly to: number
  readonly maxBytes: number
}

export interface RangeSink {
  record(record: SourceRecord): void
  /** True = nothing more is wanted: the chunk may end before its next record. */
  readonly full?: boolean
  /** Reports that [from, to] cannot be read, as in TailSink. */
  lost(from: number, to: number, reason: UnreadableReason): void
}

export interface RangeEnd {
  /** Start of the next chunk; ≥ `to` when the range is done. */
  readonly next: number
  /**
   * The partition's bounds as of this read. `first` > `from` means that [from, first) is gone.
   */
  readonly offsets: Offsets
}

export interface OutRecord {
  readonly partition: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers?: Readonly<Record<string, string | Uint8Array>>
}

export interface Ack {
  readonly partition: number
  readonly offset: number
}

/**
 * A pause that a broker has asked for: it reads nothing more from a connection for `ms`, because
 * a quota is used up.
 */
export interface Throttle {
  readonly use: BrokerUse
  /** The client name under which the broker counts that use, and the broker. */
  readonly client: string
  readonly broker: string
  readonly ms: number
}

/** The surroundings of an adapter. */
export interface SourceContext {
  /** Absent if pauses are not counted. */
  readonly throttled?: ((throttle: Throttle) => void) | undefined
  /** Logs something that an operator should know, once a change and not once a record. */
  log(level: 'info' | 'warn' | 'error', message: string, fields?: Record<string, unknown>): void
}
