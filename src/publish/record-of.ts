import { CarillonError } from '../base/errors.ts'
import { shortJson } from '../base/shortened.ts'
import type { OutRecord, Source } from '../source/source.ts'
import { traceHeaders } from '../telemetry/trace-context.ts'
import { structuredType } from '../wire/cloudevent.ts'
import { type Event, unknownPublishedAtUs } from '../wire/frames.ts'
import type { StreamFormat } from '../wire/stream-format.ts'

export interface PublishTarget {
  readonly stream: string
  readonly format: StreamFormat
  /** Prefix of a key in its subject. */
  readonly prefix: string
  /** Broker that the headers are for: CloudEvents names its attributes by the broker. */
  readonly broker: Source['kind']
}

type Content = Pick<OutRecord, 'value'> & { readonly headers: Readonly<Record<string, string>> }

/** Fields that a record of another format cannot hold. */
const unplaced = ['ttlMs', 'collapseKey', 'priority'] as const
/** `source` of a CloudEvent whose publisher names none. */
const ownSource = 'carillon'
const reservedHeaders = new Set(['content-type', ...traceHeaders])

/**
 * Returns an event as a record's value and headers, in the stream's format; `envelope` is the
 * event as protobuf. Throws `bad_event` for fields that the format cannot hold: a subscriber must
 * get what was published. `raw` cannot hold the id and the time of publication either; these are
 * left out, because every publisher sets them.
 */
export function contentOf(event: Event, envelope: Uint8Array, target: PublishTarget): Content {
  const { format, framing } = target.format
  if (event.deleted) return deletion(event, target)
  if (framing !== 'none') {
    const problem = `stream ${target.stream} has a schema registry's framing, and the gateway has no schema to name`
    throw new CarillonError('bad_event', `${problem}: publish to the broker with the registry's serializer`)
  }
  switch (format) {
    case 'event':
      return { value: envelope, headers: {} }
    case 'raw':
      return { value: event.data, headers: rawHeaders(event, target) }
    case 'cloudevents':
      return { value: event.data, headers: cloudEventHeaders(event, target) }
  }
}

/** A record with a null value: its subject is all that is read back. */
function deletion(event: Event, target: PublishTarget): Content {
  const attribute = Object.keys(event.attributes)[0]
  const name =
    attribute === undefined ? (['type', ...unplaced] as const).find((each) => !isEmpty(event[each])) : undefined
  if (attribute === undefined && name === undefined) return { value: null, headers: {} }
  const what = name ?? `the attribute ${shortJson(attribute, 100)}`
  const said = `a deletion is a record of stream ${target.stream} without a value, and has no place for ${what}`
  throw new CarillonError('bad_event', `${said}: leave it out`)
}

/** The event as it is read back where its record says nothing of a content type or source: what the stream's format says of it. */
export function asRead(event: Event, { format, contentType }: StreamFormat): Event {
  if (format === 'event' || event.deleted) return event
  const source = format === 'raw' ? {} : { source: event.attributes.source || ownSource }
  return { ...event, contentType: event.contentType || contentType, attributes: { ...event.attributes, ...source } }
}

function rawHeaders(event: Event, target: PublishTarget): Record<string, string> {
  for (const name of [...unplaced, 'type'] as const) if (!isEmpty(event[name])) throw noPlace(name, event[name], target)
  const headers: Record<string, string> = {}
  if (event.contentType !== target.format.contentType) headers['content-type'] = event.contentType
  for (const [name, value] of Object.entries(event.attributes)) {
    if (reservedHeaders.has(name.toLowerCase())) throw noPlace('attributes', name, target)
    if (!isTaken(name, target.format)) throw untaken(name, target)
    set(headers, name, value)
  }
  return headers
}

function cloudEventHeaders(event: Event, target: PublishTarget): Record<string, string> {
  const { id, type, subject, contentType, publishedAtUs, attributes } = event
  for (const name of unplaced) if (!isEmpty(event[name])) throw noPlace(name, event[name], target)
  if (id === '' || type === '') {
    const problem = `an event of the cloudevents stream ${target.stream} needs an id and a type`
    throw new CarillonError('bad_event', `${problem}, got id "${id}" and type "${type}"`)
  }
  const all: Record<string, string> = {}
  for (const [name, value] of Object.entries(attributes)) {
    if (!/^[a-z0-9]{1,64}$/.test(name) || reserved.has(name)) throw noPlace('attributes', name, target)
    set(all, name, value)
  }
  Object.assign(all, { specversion: '1.0', id, type, subject: subject.slice(target.prefix.length) })
  all.source ||= ownSource
  if (publishedAtUs !== unknownPublishedAtUs) all.time = rfc3339(publishedAtUs)
  const headers: Record<string, string> = {}
  if (target.broker === 'kafka' || target.broker === 'embedded') {
    if (contentType.toLowerCase().startsWith(structuredType)) throw structured(contentType, target)
    for (const [name, value] of Object.entries(all)) headers[`ce_${name}`] = value
    if (contentType !== '') headers['content-type'] = contentType
  } else {
    if (contentType !== '') all.datacontenttype = contentType
    for (const [name, value] of Object.entries(all)) headers[`ce-${name}`] = percentEncoded(value)
  }
  return headers
}

/**
 * Attributes that are fields of an event, belong to the encoding, or are not shown to
 * subscribers.
 */
const reserved = new Set(['specversion', 'id', 'type', 'subject', 'time', 'datacontenttype', 'data', ...traceHeaders])

const isEmpty = (value: unknown): boolean => value === '' || value === 0

/** Sets a header, even one named `__proto__`. */
function set(headers: Record<string, string>, name: string, value: string): void {
  Object.defineProperty(headers, name, { value, enumerable: true, writable: true, configurable: true })
}

/** Whether a header of that name becomes an attribute when the record is read. */
const isTaken = (name: string, { headers }: StreamFormat): boolean =>
  headers === 'all' || (headers !== 'none' && headers.includes(name))

function untaken(name: string, { stream, format: { headers } }: PublishTarget): CarillonError {
  const takes = headers === 'none' ? 'no headers' : 'other headers only'
  const said = `expected attributes that stream ${stream} gives to subscribers, got ${shortJson(name, 100)}, and it takes ${takes}`
  return new CarillonError('bad_event', `${said}: leave it out, or name it in streams.${stream}.headers`)
}

function noPlace(name: string, value: unknown, { stream, format }: PublishTarget): CarillonError {
  const problem = `a record of stream ${stream}, whose format is ${format.format}, has no place for ${name}`
  return new CarillonError('bad_event', `${problem}, got ${shortJson(value, 100)}: leave it out`)
}

/**
 * Returns the error for a content type with which subscribers would read the event's attributes
 * from its data.
 */
function structured(contentType: string, { stream }: PublishTarget): CarillonError {
  const problem = `a record of the cloudevents stream ${stream} with the content type ${shortJson(contentType, 100)} is read as a structured CloudEvent`
  return new CarillonError('bad_event', `${problem}: give the data another content type`)
}

/** Formats Unix µs as RFC 3339, to the microsecond. */
function rfc3339(us: number): string {
  const time = new Date(Math.floor(us / 1000)).toISOString().slice(0, -1)
  return `${time}${String(us % 1000).padStart(3, '0')}Z`
}

/**
 * Encodes a value as CloudEvents' HTTP binding requires: everything but printable ASCII, and
 * space, quote and percent.
 */
function percentEncoded(value: string): string {
  return value.replace(/[^!#$&-~]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}
