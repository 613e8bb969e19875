/**
 * One record as a source hands it over and as the window keeps it. Bounds are [start, end) in `buffer`; a start of -1 means
 * null (a key or value that the broker stores as null, a header that is absent). A source reuses one object for all
 * records, and `buffer` may be the network's: whoever keeps something copies it during the call.
 */
export interface SourceRecord {
  buffer: Buffer
  partition: number
  offset: number
  /** Record time, Unix ms: the broker's clock where the log stamps records itself, else the producer's. */
  timeMs: number
  /** Leader epoch of the record's batch (Kafka); 0 where the broker has none. */
  epoch: number
  keyStart: number
  keyEnd: number
  valueStart: number
  valueEnd: number
  /** The `traceparent` header's value. */
  traceStart: number
  traceEnd: number
  /** All headers, decoded when asked; the last of a repeated name wins. Values are views: copy what is kept. */
  headers(): Map<string, Buffer | null>
}
