import type { BrokerUse } from '../base/broker-uses.ts'
import type { Generations, LostReason, SourceRecord, UnreadableReason } from '../log/record.ts'
import type { StreamSettings } from './settings.ts'

/**
 * The broker contract: a durable, partitioned log that is read at explicit offsets. One conformance suite
 * (test/source/conformance.ts) runs against every adapter.
 *
 * Failures that a caller can act on are CarillonErrors: `broker_unavailable` (away, timed out, refused), `stream_missing`,
 * `stream_unusable` (set up wrongly, or refused for good), `no_route` (a subject that the stream does not take), `event_too_large`, `storage_full`,
 * `storage_locked`. No adapter keeps state about its readers in the broker.
 */
export interface Source {
  readonly kind: 'kafka' | 'embedded' | 'nats'
  /** For people: `kafka://h:9092,h2:9092`, `nats://h:4222`, `embedded:/var/lib/carillon`; never with credentials. */
  readonly name: string
  /** The offset of a log's very first record: 0, on JetStream 1. */
  readonly firstOffset: number
  /** What `SourceRecord.epoch` is. */
  readonly generations: Generations

  /** The stream as it is now; undefined when the broker answers that there is none. */
  describe(stream: string): Promise<StreamInfo | undefined>

  /** Creates the stream; resolves also when it is there already (whatever its partition count). */
  create(stream: string, partitions: number): Promise<void>

  /** The command by which a person creates the stream on this broker. */
  createCommand(stream: string, partitions: number): string

  /** The partition's bounds now: `first` retained offset and `head`, the next offset that a read-committed reader waits for. */
  offsets(stream: StreamInfo, partition: number): Promise<Offsets>

  /** The first offset whose record time is ≥ `timeMs`; the head when there is none. */
  offsetAt(stream: StreamInfo, partition: number, timeMs: number): Promise<number>

  /**
   * Reads each partition from its offset (`from[partition]`) and goes on for ever, through broker faults, until it is dropped or the tail closed.
   * A partition without an offset is *absent*: nothing of it is read until it is added. `sink` is called synchronously: for each
   * partition, any number of `record` with ascending offsets, then one `end`. Nothing is called after close() has been called. An offset
   * beyond the head waits there; below the first retained one is told by `lost`.
   */
  tail(stream: StreamInfo, from: readonly (number | undefined)[], sink: TailSink): Tail

  /**
   * Reads one chunk of the records of a partition with `from` ≤ offset < `to`: at least one when there is one, unless the broker fails behind
   * a stretch without any, which is the chunk then. Records outside of [from, to) are not shown. Runs on other connections than the tail. Rejects with `stream_missing` when the incarnation is gone.
   */
  range(stream: StreamInfo, chunk: Chunk, sink: RangeSink): Promise<RangeEnd>

  /**
   * Appends records, in their order within each partition, and resolves after the broker's durable acknowledgement of all
   * of them. On a rejection some may have been written all the same.
   */
  publish(stream: StreamInfo, records: readonly OutRecord[]): Promise<Ack[]>

  /** How the stream is set up on the broker, for people. Absent where this process is the broker. */
  settings?(stream: StreamInfo): Promise<StreamSettings>

  /** Ends tails, connections and files; resolves when they are gone. */
  close(): Promise<void>
}

export interface StreamInfo {
  readonly name: string
  /** Tells this log from an earlier one of the same name: Kafka's topic id, the embedded log's creation id. */
  readonly incarnation: string
  readonly partitions: number
}

export interface Offsets {
  readonly first: number
  readonly head: number
  /** Absent = the log ends at the head. */
  readonly blocked?: Blocked
}

/** What the log has behind the head, and nobody may read before an open transaction ends. */
export interface Blocked {
  readonly offsets: number
  /** Since when the head is seen to stand where it stands, Unix ms. */
  readonly sinceMs: number
}

export interface TailSink {
  record(record: SourceRecord): void
  /** A batch of `partition` is through: `next` is read next (≥ last record + 1: markers and compacted holes are passed). */
  end(partition: number, next: number, offsets: Offsets): void
  /**
   * What [from, to] held can't be read any more and the tail goes on at `to + 1`, or, after a rewrite, at `from`:
   * `retention` the log's start moved past the reader; `corrupt` a batch whose checksum is wrong twice; `unsupported` records in a
   * form that the adapter does not read; `rewritten` the log changed below the reader (an unclean election, an end that moved back): records are read again from `from`.
   */
  lost(partition: number, from: number, to: number, reason: LostReason): void
  /**
   * Deleted and created again under its name: the tail goes on at `firstOffset` of each partition that it reads, and what retention took
   * since is told by `lost`. Absent ones stay absent; those that the stream has no more are dropped.
   */
  recreated(stream: StreamInfo): void
  /** More partitions than before: the new ones are absent. */
  grown(stream: StreamInfo): void
  /**
   * `up`: reads work, of all partitions that are read; a `detail` is what an operator should look at all the same. `away`: the broker (or the partition's leader) can't be reached or refuses us; the tail retries. `missing`: it has no such
   * stream. Told again when `detail`, the reason, is another one.
   */
  state(state: TailState, detail: string): void
}

export type TailState = 'up' | 'away' | 'missing'

/** Reads what it was given: no partition becomes another one's, nor begins by itself. All of it may be called from within the sink. */
export interface Tail {
  /**
   * Begins to read an absent partition at `from`, just as tail() does; without `from` at `firstOffset`. Throws `stream_missing` for a
   * partition that the stream does not have, going by what the sink was told last, and `internal` for one that is read. The sink is not
   * called before this returns.
   */
  add(partition: number, from?: number): void
  /**
   * The partition is absent from now on: nothing of it is told any more, whatever is under way, and others go on undisturbed. Where it
   * was the only one that could not be read, `state` says so before this returns. Does nothing where it is absent.
   */
  drop(partition: number): void
  close(): Promise<void>
}

/** What one call of `range` reads: the beginning of [from, to), up to `maxBytes`. */
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
  /** [from, to] can't be read: as in TailSink. */
  lost(from: number, to: number, reason: UnreadableReason): void
}

export interface RangeEnd {
  /** Where the next chunk starts; ≥ `to` when the range is done. */
  readonly next: number
  /** The partition's bounds as of this read. `first` > `from` means that [from, first) is gone. */
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

/** A broker has asked for a pause: it reads nothing more of a connection for `ms`, because a quota is used up. */
export interface Throttle {
  readonly use: BrokerUse
  /** By which name the broker knows that use, and which broker it is. */
  readonly client: string
  readonly broker: string
  readonly ms: number
}

/** What an adapter takes from its surroundings. */
export interface SourceContext {
  /** Absent where nobody counts pauses. */
  readonly throttled?: ((throttle: Throttle) => void) | undefined
  /** Something that an operator should know, once per change and not per record. */
  log(level: 'info' | 'warn' | 'error', message: string, fields?: Record<string, unknown>): void
}
