/**
 * What the values of a stream's records are.
 * - `event`: a protobuf Event (proto/carillon/v1/event.proto).
 * - `raw`: anything; the subject is the record's key, the value is the event's data.
 * - `cloudevents`: CloudEvents 1.0 in binary mode, attributes in headers (`ce_id`; `ce-id` on NATS).
 */
export const streamFormats = ['event', 'raw', 'cloudevents'] as const

/** What stands around the values: `confluent` is a schema registry's 0x00 and schema id, see confluent.ts. */
export const framings = ['none', 'confluent'] as const

export interface StreamFormat {
  readonly format: (typeof streamFormats)[number]
  readonly framing: (typeof framings)[number]
  /** Media type of `raw` and `cloudevents` values whose record names none; empty = unknown. */
  readonly contentType: string
  /** Record headers that become attributes of a `raw` event: all, none, or those of these names. */
  readonly headers: 'all' | 'none' | readonly string[]
}

export const streamFormatDefaults: StreamFormat = {
  format: 'event',
  framing: 'none',
  contentType: 'application/json',
  headers: 'all',
}
