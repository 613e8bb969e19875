import { CarillonError } from '../base/errors.ts'
import { shortened, shown } from '../base/shortened.ts'
import { validateSubject } from '../subject/subject.ts'
import { decodeBase64 } from './base64.ts'
import { type Event, makeEvent, unknownPublishedAtUs } from './frames.ts'
import { JsonFields } from './json-fields.ts'
import { memberTexts } from './json-members.ts'
import { dataForm } from './media-type.ts'
import { noTime, rfc3339Us } from './rfc3339.ts'

/**
 * CloudEvents 1.x in JSON: structured mode.
 * https://github.com/cloudevents/spec/blob/main/cloudevents/formats/json-format.md
 */
export interface CloudEventJson {
  /**
   * Attributes and extensions as strings, by name; null ones are left out. `specversion`, `id`,
   * `source` and `type` are always present.
   */
  readonly attributes: ReadonlyMap<string, string>
  readonly data: Uint8Array
  /**
   * Content type of the data: `datacontenttype`, or else the type that the data's form implies;
   * empty = unknown.
   */
  readonly contentType: string
}

/**
 * Prefix, in any case, of the content type of a record or request whose value is one or more
 * CloudEvents.
 */
export const structuredType = 'application/cloudevents'

const json = 'application/json'
const required = ['specversion', 'id', 'source', 'type'] as const
const encoder = new TextEncoder()

/**
 * Reads a CloudEvent from parsed JSON. `text` is the source of `value`: `data` is copied from it
 * unchanged. Throws `bad_event` naming the attribute.
 */
export function readCloudEvent(value: unknown, text: string, path = 'event'): CloudEventJson {
  const fields = new JsonFields(value, path, 'bad_event')
  const attributes = new Map<string, string>()
  for (const name of fields.names) {
    if (name === 'data' || name === 'data_base64') continue
    const attribute = attributeOf(fields, name)
    if (attribute !== undefined) attributes.set(name, attribute)
  }
  for (const name of required)
    if (!attributes.get(name)) throw fields.fail(name, 'a value, which CloudEvents 1.x requires', 'nothing')
  const version = attributes.get('specversion')!
  if (!version.startsWith('1.')) throw fields.fail('specversion', '1.x', shown(version))
  return { attributes, ...dataOf(fields, text, attributes.get('datacontenttype')) }
}

function attributeOf(fields: JsonFields, name: string): string | undefined {
  if (!/^[a-z0-9]+$/.test(name)) {
    throw fields.fail(shortened(name), 'a name of lowercase letters and digits', 'other characters')
  }
  const value = fields.raw(name)
  switch (typeof value) {
    case 'string':
      return fields.text(name, value)
    case 'boolean':
    case 'number':
      return String(value)
    default:
      if (value === null) return undefined
      throw fields.fail(name, 'a string, a number or a boolean', shown(value))
  }
}

/** Treats null as absent, as for attributes. */
function dataOf(fields: JsonFields, text: string, type = ''): Omit<CloudEventJson, 'attributes'> {
  const [data, base64] = [fields.raw('data') ?? undefined, fields.raw('data_base64') ?? undefined]
  if (data !== undefined && base64 !== undefined)
    throw fields.fail('data_base64', 'only one of data and data_base64', 'both')
  if (base64 !== undefined) {
    const bytes = decodeBase64(fields.text('data_base64', base64))
    if (bytes === undefined) throw fields.fail('data_base64', 'base64', shown(base64))
    return { data: bytes, contentType: type }
  }
  if (data === undefined) return { data: new Uint8Array(0), contentType: type }
  const contentType = type === '' ? json : type
  if (dataForm(contentType) === 'json') return { data: encoder.encode(memberTexts(text).get('data')!), contentType }
  if (typeof data === 'string') return { data: encoder.encode(fields.text('data', data)), contentType }
  throw fields.fail('data', `a string, because datacontenttype is ${contentType}`, shown(data))
}

/** Attributes that become fields of an event, or carry no information. */
const fieldNames = new Set(['specversion', 'id', 'type', 'subject', 'time', 'datacontenttype'])

/**
 * Returns an event to publish, whose subject is the attribute `subject`. Throws `bad_event` and
 * `bad_subject`. Subscribers never see the attributes in `hidden`.
 */
export function eventFromCloudEvent(cloudEvent: CloudEventJson, path: string, hidden: readonly string[]): Event {
  const { attributes, data, contentType } = cloudEvent
  const others = [...attributes].filter(([name]) => !fieldNames.has(name) && !hidden.includes(name))
  return makeEvent({
    subject: subjectOf(attributes, path),
    id: attributes.get('id')!,
    type: attributes.get('type')!,
    contentType,
    data,
    publishedAtUs: timeOf(attributes, path),
    attributes: Object.fromEntries(others),
  })
}

function subjectOf(attributes: CloudEventJson['attributes'], path: string): string {
  const subject = attributes.get('subject')
  if (subject === undefined) {
    throw new CarillonError('bad_subject', `${path}.subject: expected the subject to publish to, got nothing`)
  }
  try {
    validateSubject(subject)
    return subject
  } catch (error) {
    if (!(error instanceof CarillonError)) throw error
    throw new CarillonError(error.code, `${path}.subject: ${error.message}`)
  }
}

/** Returns Unix µs. */
function timeOf(attributes: CloudEventJson['attributes'], path: string): number {
  const text = attributes.get('time')
  if (text === undefined) return unknownPublishedAtUs
  const bytes = encoder.encode(text)
  const us = rfc3339Us(bytes, 0, bytes.length)
  if (us !== noTime && us > 0) return us
  throw new CarillonError('bad_event', `${path}.time: expected an RFC 3339 time since 1970, got ${shown(text)}`)
}
