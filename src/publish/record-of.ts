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
  /** What stands before a key in its subject. */
  readonly prefix: string
  /** Whose headers: CloudEvents names its attributes by the broker. */
  readonly broker: Source['kind']
}

type Content = Pick<OutRecord, 'value'> & { readonly headers: Readonly<Record<string, string>> }

/** Fields for which a record of another format has no place. */
const unplaced = ['ttlMs', 'collapseKey', 'priority'] as const
/** `source` of a CloudEvent whose publisher gives none. */
const ownSource = 'carillon'
const reservedHeaders = new Set(['content-type', ...traceHeaders])

/**
 * An event as a record's value and headers, in the stream's format; `envelope` is the event as protobuf. Throws `bad_event` for what
 * the format has no place for: what a subscriber gets must be what was published. `raw` has none for id and time of
 * publication either, which every publisher gives: those are left out.
 */
export function contentOf(event: Event, envelope: Uint8Array, target: PublishTarget): Content {
  const { format, framing } = target.format
  if (event.deleted) return { value: null, headers: {} }
  if (framing !== 'none') {
    const said = `stream ${target.stream} has a schema registry's framing, and the gateway has no schema to name`
    throw new CarillonError('bad_event', `${said}: publish to the broker with the registry's serializer`)
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
    set(headers, name, value)
  }
  return headers
}

function cloudEventHeaders(event: Event, target: PublishTarget): Record<string, string> {
  const { id, type, subject, contentType, publishedAtUs, attributes } = event
  for (const name of unplaced) if (!isEmpty(event[name])) throw noPlace(name, event[name], target)
  if (id === '' || type === '') {
    const said = `an event of the cloudevents stream ${target.stream} needs an id and a type`
    throw new CarillonError('bad_event', `${said}, got id "${id}" and type "${type}"`)
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

/** Attributes that are fields of an event, the encoding's own, or not shown to subscribers. */
const reserved = new Set(['specversion', 'id', 'type', 'subject', 'time', 'datacontenttype', 'data', ...traceHeaders])

const isEmpty = (value: unknown): boolean => value === '' || value === 0

/** An attribute may be named `__proto__`. */
function set(headers: Record<string, string>, name: string, value: string): void {
  Object.defineProperty(headers, name, { value, enumerable: true, writable: true, configurable: true })
}

function noPlace(name: string, value: unknown, { stream, format }: PublishTarget): CarillonError {
  const said = `a record of stream ${stream}, whose format is ${format.format}, has no place for ${name}`
  return new CarillonError('bad_event', `${said}, got ${shortJson(value, 100)}: leave it out`)
}

/** The event's attributes would be read from its data. */
function structured(contentType: string, { stream }: PublishTarget): CarillonError {
  const said = `a record of the cloudevents stream ${stream} with the content type ${shortJson(contentType, 100)} is read as a structured CloudEvent`
  return new CarillonError('bad_event', `${said}: give the data another content type`)
}

/** Unix µs in RFC 3339, to the microsecond. */
function rfc3339(us: number): string {
  const time = new Date(Math.floor(us / 1000)).toISOString().slice(0, -1)
  return `${time}${String(us % 1000).padStart(3, '0')}Z`
}

/** As CloudEvents' HTTP binding has it: all but printable ASCII, and of that not space, quote and percent. */
function percentEncoded(value: string): string {
  return value.replace(/[^!#$&-~]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(''),
  )
}
