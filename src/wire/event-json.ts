import { CarillonError } from '../base/errors.ts'
import { shortened, shown } from '../base/shortened.ts'
import { validUtf8 } from '../base/utf8.ts'
import { validateSubject } from '../subject/subject.ts'
import { decodeBase64, encodeBase64 } from './base64.ts'
import { type Event, unknownPublishedAtUs } from './frames.ts'
import { JsonFields } from './json-fields.ts'
import { memberTexts } from './json-members.ts'
import { jsonText, scanJson } from './json-text.ts'
import { dataForm } from './media-type.ts'

/**
 * Events in JSON. Fields at their defaults are absent, and `deleted` is present only when true.
 * The data is in one of `data` (inline JSON, as the publisher wrote it), `text` or `base64`, as
 * `dataForm` and the bytes determine; none of them = no data. delivery.ts writes the same text
 * from an envelope's bytes.
 */

const encoder = new TextEncoder()
const decoder = /* @__PURE__ */ new TextDecoder('utf-8', { ignoreBOM: true })

/** Returns JSON text on one line, as required for the data of a server-sent event. */
export function eventToJson(event: Event): string {
  let text = `{"subject":${JSON.stringify(event.subject)}`
  if (event.id !== '') text += `,"id":${JSON.stringify(event.id)}`
  if (event.type !== '') text += `,"type":${JSON.stringify(event.type)}`
  if (event.contentType !== '') text += `,"contentType":${JSON.stringify(event.contentType)}`
  if (event.data.length > 0) text += dataField(event.data, event.contentType)
  if (event.publishedAtUs !== unknownPublishedAtUs) text += `,"publishedAtUs":${event.publishedAtUs}`
  if (event.ttlMs !== 0) text += `,"ttlMs":${event.ttlMs}`
  if (event.collapseKey !== '') text += `,"collapseKey":${JSON.stringify(event.collapseKey)}`
  if (event.priority !== 0) text += `,"priority":${event.priority}`
  if (Object.keys(event.attributes).length > 0) text += `,"attributes":${JSON.stringify(event.attributes)}`
  return event.deleted ? `${text},"deleted":true}` : `${text}}`
}

function dataField(data: Uint8Array, contentType: string): string {
  const form = dataForm(contentType)
  if (form === 'json') {
    const judged = scanJson(data, 0, data.length)
    if (judged === jsonText.line) return `,"data":${decoder.decode(data)}`
    if (judged === jsonText.lines) return `,"data":${decoder.decode(data).replaceAll(/[\r\n]/g, ' ')}`
  }
  if (form === 'text' && validUtf8(data, 0, data.length)) return `,"text":${JSON.stringify(decoder.decode(data))}`
  return `,"base64":"${encodeBase64(data)}"`
}

const known = new Set([
  'subject',
  'id',
  'type',
  'contentType',
  'data',
  'text',
  'base64',
  'publishedAtUs',
  'ttlMs',
  'collapseKey',
  'priority',
  'attributes',
  'deleted',
])

/**
 * Returns an event to publish. `text` is the JSON that `value` was parsed from: `data` is copied
 * from it unchanged, because JSON.parse rounds numbers beyond 2^53. Throws `bad_event` naming the
 * field, also for unknown fields, and `bad_subject`. An absent `id` stays empty and an absent
 * `publishedAtUs` unknown: the caller fills them. Without a `contentType`, `data` is
 * application/json and `text` is text/plain.
 */
export function eventFromJson(value: unknown, text: string, path = 'event'): Event {
  const fields = new JsonFields(value, path, 'bad_event')
  for (const name of fields.names) {
    if (!known.has(name)) throw fields.fail(shortened(name), `one of ${[...known].join(', ')}`, 'an unknown field')
  }
  const event = readEvent(fields, () => {
    requireJsonType(fields)
    return memberTexts(text).get('data')!
  })
  const payload = ['data', 'text', 'base64'].find((name) => fields.has(name))
  if (event.deleted && payload !== undefined) {
    throw fields.fail(payload, 'no payload with deleted: a deletion is a record without a value', 'one')
  }
  try {
    validateSubject(event.subject)
  } catch (error) {
    if (!(error instanceof CarillonError)) throw error
    throw new CarillonError(error.code, `${path}: ${error.message}`)
  }
  return event
}

/**
 * Returns the event of a delivery, from parsed JSON. Ignores fields of a newer gateway. Throws
 * `bad_frame`.
 */
export function deliveredEvent(value: unknown, path: string): Event {
  const fields = new JsonFields(value, path, 'bad_frame')
  return readEvent(fields, () => printed(fields))
}

/** Calls `dataText` if there is a `data` field; it returns the JSON text of that field. */
function readEvent(fields: JsonFields, dataText: () => string): Event {
  const contentType = fields.string('contentType')
  const { data, implied } = readData(fields, dataText)
  return {
    subject: fields.string('subject'),
    id: fields.string('id'),
    type: fields.string('type'),
    contentType: contentType === '' ? implied : contentType,
    data,
    publishedAtUs: fields.uint53('publishedAtUs'),
    ttlMs: fields.uint32('ttlMs'),
    collapseKey: fields.string('collapseKey'),
    priority: fields.integer('priority', -0x80000000, 0x7fffffff),
    attributes: fields.stringMap('attributes'),
    deleted: fields.boolean('deleted'),
  }
}

/** Returns the data's bytes and the content type that their field implies. */
function readData(fields: JsonFields, dataText: () => string): { data: Uint8Array; implied: string } {
  const given = ['data', 'text', 'base64'].filter((name) => fields.has(name))
  if (given.length > 1)
    throw fields.fail(given[1]!, 'only one of data, text and base64', `${given.join(' and ')} together`)
  switch (given[0]) {
    case 'data':
      return { data: encoder.encode(dataText()), implied: 'application/json' }
    case 'text':
      return { data: encoder.encode(fields.string('text')), implied: 'text/plain' }
    case 'base64':
      return { data: fromBase64(fields), implied: '' }
    default:
      return { data: new Uint8Array(0), implied: '' }
  }
}

/** Checks the content type of an event to publish. The gateway has already checked deliveries. */
function requireJsonType(fields: JsonFields): void {
  const contentType = fields.string('contentType')
  if (contentType === '' || dataForm(contentType) === 'json') return
  throw fields.fail('contentType', 'a JSON type with data (or the content as text or base64)', shown(contentType))
}

/** JSON.stringify recurses, so it may overflow the stack on a depth that JSON.parse handles. */
function printed(fields: JsonFields): string {
  try {
    return JSON.stringify(fields.raw('data'))
  } catch (error) {
    if (error instanceof RangeError) throw fields.fail('data', 'JSON of reasonable depth', 'arrays or objects too deep')
    throw error
  }
}

function fromBase64(fields: JsonFields): Uint8Array {
  const text = fields.string('base64')
  const bytes = decodeBase64(text)
  if (bytes === undefined) throw fields.fail('base64', 'base64', shown(text))
  return bytes
}
