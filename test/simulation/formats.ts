import { decodeEvent, encodeEvent } from '../../src/wire/envelope.ts'
import { type Event, makeEvent } from '../../src/wire/frames.ts'
import { type StreamFormat, streamFormatDefaults } from '../../src/wire/stream-format.ts'
import type { Headers, NewRecord } from './partition-log.ts'

export type Format = StreamFormat['format']

type Content = Pick<NewRecord, 'value' | 'event' | 'timeMs'> & { readonly headers: Headers }
type Fields = Partial<Event> & { readonly subject: string }

/**
 * Writes an event at a time, Unix µs. Returns the record and the event expected from it, reduced
 * to the fields that the format supports.
 */
type Write = (fields: Fields, nowUs: number) => Content

const mediaTypes = (contentType: string): Headers => (contentType === '' ? [] : [['content-type', contentType]])

const writes: Readonly<Record<Format, Write>> = {
  event: (fields, nowUs) => {
    const value = Buffer.from(encodeEvent(fields))
    return { value, event: decodeEvent(value), timeMs: nowUs / 1000, headers: [] }
  },
  raw: ({ subject, id = '', contentType = '', data }, nowUs) => {
    const timeMs = Math.floor(nowUs / 1000)
    const value = Buffer.from(data!)
    const type = contentType || streamFormatDefaults.contentType
    const attributes = { number: id }
    const event = makeEvent({ subject, data: value, contentType: type, publishedAtUs: timeMs * 1000, attributes })
    return { value, event, timeMs, headers: [...mediaTypes(contentType), ['number', id]] }
  },
  cloudevents: ({ subject, id = '', contentType = '', data }, nowUs) => {
    const timeMs = Math.floor(nowUs / 1000)
    const value = Buffer.from(data!)
    const contents = { subject, id, type: 'sim', contentType: contentType || streamFormatDefaults.contentType }
    const attributes = { source: '/sim' }
    const event = makeEvent({ ...contents, data: value, publishedAtUs: timeMs * 1000, attributes })
    if (/[13579]$/.test(id)) return { ...structured(contents, value), event, timeMs }
    const headers: Headers = [...cloudHeaders(id), ...mediaTypes(contentType)]
    return { value, event, timeMs, headers }
  },
}

/** Returns a CloudEvent in structured mode: its attributes are in the value. */
function structured({ id, type, contentType }: { id: string; type: string; contentType: string }, data: Buffer) {
  const attributes = { specversion: '1.0', id, type, source: '/sim', datacontenttype: contentType }
  const value = Buffer.from(JSON.stringify({ ...attributes, data_base64: data.toString('base64') }))
  return { value, headers: mediaTypes('application/cloudevents+json') }
}

const cloudHeaders = (id: string): Headers => [
  ['ce_specversion', '1.0'],
  ['ce_id', id],
  ['ce_type', 'sim'],
  ['ce_source', '/sim'],
]

export const contentIn = (format: Format, fields: Fields, nowUs: number): Content => writes[format](fields, nowUs)

/** Returns a deletion: a record without a value. */
export function deletionIn(format: Format, subject: string, nowUs: number): Content {
  const isTimed = format !== 'event'
  const timeMs = isTimed ? Math.floor(nowUs / 1000) : nowUs / 1000
  const event = makeEvent({ subject, deleted: true, publishedAtUs: isTimed ? timeMs * 1000 : 0 })
  return { value: null, event, timeMs, headers: [] }
}
