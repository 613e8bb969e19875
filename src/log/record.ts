import type { ByteRange } from '../base/byte-range.ts'

/**
 * One record as a source delivers it and as the window keeps it. Bounds are [start, end) in
 * `buffer`. A start of `absent` means a null key or value, or a missing header. A source reuses
 * one object for all records, and `buffer` may be the network's: callees copy what they keep
 * during the call.
 */
export interface SourceRecord {
  buffer: Buffer
  partition: number
  offset: number
  /** Record time, Unix ms: the broker's clock where the log stamps records itself, else the producer's. */
  timeMs: number
  /** Generation of the position after this record; see `Generations`. */
  generation: number
  keyStart: number
  keyEnd: number
  valueStart: number
  valueEnd: number
  /**
   * Value of the header `traceparent`, matched case-insensitively. The last one counts if it
   * repeats.
   */
  traceStart: number
  traceEnd: number
  /**
   * Expected prefix of the record's name on the broker, where the name lacks it. The log holds
   * such a record, but it is not part of the stream; its key is the whole name. JetStream only: a
   * NATS subject outside the partition's prefix.
   */
  readonly foreign?: string | undefined
  /**
   * Decodes all headers on demand; the last of a repeated name wins. Values are views: copy what
   * you keep.
   */
  headers(): Map<string, Buffer | null>
  /**
   * Calls `sink.header` for each header, in order, with bounds instead of copies. It may leave
   * out `traceparent`, whose bounds are above.
   */
  eachHeader(sink: HeaderSink): void
}

/**
 * How a position identifies the history of its log, as a number below 2^32. `ranges`: the leader
 * epoch of the record below (Kafka; 0 where the broker has none); the records of one epoch are
 * contiguous, and later epochs follow. `times`: the time of the record right below, Unix ms
 * modulo 2^32 (JetStream, which has no epochs); a record of another history at that offset has
 * another time.
 */
export type Generations = 'ranges' | 'times'

/**
 * Receives headers as bounds, which are reused and valid during the call only. A value whose
 * bounds are `absent` is null.
 */
export interface HeaderSink {
  header(name: ByteRange, value: ByteRange): void
}

/** Decodes the headers that `eachHeader` shows into `to`, and returns it. */
export function addHeaders(record: Pick<SourceRecord, 'eachHeader'>, to: Map<string, Buffer | null>): typeof to {
  record.eachHeader({
    header: (name, { bytes, start, end }) => to.set(name.toString(), start < 0 ? null : bytes.subarray(start, end)),
  })
  return to
}

/** Why existing data can't be read: it is damaged, or its adapter doesn't support its format. */
export type UnreadableReason = 'corrupt' | 'unsupported'

/** Why a stretch of the log is unavailable. */
export type LostReason = 'retention' | UnreadableReason | 'rewritten'
