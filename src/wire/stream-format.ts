import { choice, defaultsOf, either, list, type Settings, setting, text, whole } from '../base/setting.ts'

/**
 * Format of the values of a stream's records.
 * - `event`: a protobuf Event (proto/carillon/v1/event.proto).
 * - `raw`: any bytes; the subject is the record's key, the value is the event's data.
 * - `cloudevents`: CloudEvents 1.x. In binary mode the attributes are in headers (`ce_id`;
 *   `ce-id` on NATS). A record whose content type says so is in structured mode, in JSON.
 */
export const streamFormats = ['event', 'raw', 'cloudevents'] as const

/**
 * Framing of the values: `confluent` is a schema registry's 0x00 and schema id, see confluent.ts.
 */
export const framings = ['none', 'confluent'] as const

export interface StreamFormat {
  readonly format: (typeof streamFormats)[number]
  readonly framing: (typeof framings)[number]
  /**
   * Media type of `raw` and `cloudevents` values whose record doesn't name one; empty = unknown.
   */
  readonly contentType: string
  /** Record headers that become attributes of a `raw` event: all, none, or those named. */
  readonly headers: 'all' | 'none' | readonly string[]
  /** The largest value, bytes, in which the fields of a route's template are looked for; a record with a larger one is rejected. */
  readonly maxJsonBytes: number
}

const mediaType = {
  most: 255,
  pattern: /^([\w.+-]+\/[\w.+-]+( *;[ -~]*)?)?$/,
  expected: 'expected a media type such as application/json, or nothing',
}

const headers = either<StreamFormat['headers']>(
  [choice<'all' | 'none'>('headers', ['all', 'none']), list(text('name', { least: 1 }), { most: 256 })],
  'expected all, none, or a list of header names',
)

export const streamFormatSettings: Settings<StreamFormat> = {
  format: setting(choice('format', streamFormats), 'event', 'format of the record values'),
  framing: setting(choice('framing', framings), 'none', "confluent: strip a schema registry's frame from the values"),
  contentType: setting(
    text('type', mediaType),
    'application/json',
    'media type of raw and cloudevents values whose record has no content-type header',
  ),
  headers: setting(headers, 'all', 'record headers that become attributes of a raw event'),
  maxJsonBytes: setting(
    whole(1, 2 ** 24),
    65_536,
    'the largest value, bytes, in which a {json:…} of a route is looked for',
  ),
}

export const streamFormatDefaults: StreamFormat = defaultsOf(streamFormatSettings)
