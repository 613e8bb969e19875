import type { ByteRange } from '../base/byte-range.ts'

/**
 * One record as a source hands it over and as the window keeps it. Bounds are [start, end) in `buffer`; a start that
 * is `absent` means null (a key or value that the broker stores as null, a header that is absent). A source reuses one object for all
 * records, and `buffer` may be the network's: whoever keeps something copies it during the call.
 */
export interface SourceRecord {
  buffer: Buffer
  partition: number
  offset: number
  /** Record time, Unix ms: the broker's clock where the log stamps records itself, else the producer's. */
  timeMs: number
  /** The generation of the position behind it, see `Generations`. */
  generation: number
  keyStart: number
  keyEnd: number
  valueStart: number
  valueEnd: number
  /** The value of the header `traceparent`, named in letters of either case; of several the last. */
  traceStart: number
  traceEnd: number
  /**
   * What its name on the broker should begin with, and does not: the log holds it, but it is no record of the stream, and its key is that whole name. JetStream: a NATS
   * subject that is not below the partition's.
   */
  readonly foreign?: string | undefined
  /** All headers, decoded when asked; the last of a repeated name wins. Values are views: copy what is kept. */
  headers(): Map<string, Buffer | null>
  /** Calls `sink.header` for each header, in order, with bounds instead of copies; `traceparent`, known by its bounds above, may be left out. */
  eachHeader(sink: HeaderSink): void
}

/**
 * How a position tells the history of a log that it is of, below 2^32. `ranges`: the leader epoch of the record below (Kafka; 0 where the
 * broker has none): an epoch's records lie together, and later ones follow. `times`: the time of the record right below, Unix ms modulo
 * 2^32 (JetStream, which has no epochs): a record of another history at that offset was stored at another time.
 */
export type Generations = 'ranges' | 'times'

/** Takes headers as bounds, which are reused and hold during the call only. A value is null where its bounds are `absent`. */
export interface HeaderSink {
  header(name: ByteRange, value: ByteRange): void
}

/** The headers that `eachHeader` shows, decoded, in a map that may have some already. */
export function addHeaders(record: Pick<SourceRecord, 'eachHeader'>, to: Map<string, Buffer | null>): typeof to {
  record.eachHeader({
    header: (name, { bytes, start, end }) => to.set(name.toString(), start < 0 ? null : bytes.subarray(start, end)),
  })
  return to
}

/** Why a stretch that is there can't be read: it is damaged, or in a form that its adapter does not read. */
export type UnreadableReason = 'corrupt' | 'unsupported'

/** Why a stretch of the log can't be had. */
export type LostReason = 'retention' | UnreadableReason | 'rewritten'
