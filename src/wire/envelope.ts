import { CarillonError } from '../base/errors.ts'
import { validUtf8 } from '../base/utf8.ts'
import { validateSubject, validSubjectBytes } from '../subject/subject.ts'
import { type Event, makeEvent, unknownPublishedAtUs } from './frames.ts'
import { messages } from './schema.ts'
import { type Cursor, cursorValue, readVarint } from './varint.ts'

/**
 * Result of scanning an envelope: the protobuf `Event` in a record's value. `…At` counts from the
 * envelope's start. An absent field has length 0, and its `…At` is meaningless. One object is
 * reused for all records.
 */
export interface EnvelopeView {
  subjectAt: number
  subjectLength: number
  idAt: number
  idLength: number
  typeAt: number
  typeLength: number
  contentTypeAt: number
  contentTypeLength: number
  dataAt: number
  dataLength: number
  /** Unix µs, or `unknownPublishedAtUs`. */
  publishedAtUs: number
  ttlMs: number
  collapseKeyAt: number
  collapseKeyLength: number
  priority: number
  /** Entries of the map as written, including repeated keys. */
  attributes: number
  deleted: boolean
  /** Why the last scan failed, as text for people; empty on success. */
  fault: string
}

export function envelopeView(): EnvelopeView {
  return {
    subjectAt: 0,
    subjectLength: 0,
    idAt: 0,
    idLength: 0,
    typeAt: 0,
    typeLength: 0,
    contentTypeAt: 0,
    contentTypeLength: 0,
    dataAt: 0,
    dataLength: 0,
    publishedAtUs: unknownPublishedAtUs,
    ttlMs: 0,
    collapseKeyAt: 0,
    collapseKeyLength: 0,
    priority: 0,
    attributes: 0,
    deleted: false,
    fault: '',
  }
}

/**
 * Resets what the next envelope may leave unset. Places keep old values: they are meaningless
 * while the length is 0.
 */
function clear(view: EnvelopeView): void {
  view.subjectLength = 0
  view.idLength = 0
  view.typeLength = 0
  view.contentTypeLength = 0
  view.dataLength = 0
  view.publishedAtUs = unknownPublishedAtUs
  view.ttlMs = 0
  view.collapseKeyLength = 0
  view.priority = 0
  view.attributes = 0
  view.deleted = false
}

/** Key of each known field: field number × 8 + wire type. */
export const eventKey = {
  subject: 10,
  id: 18,
  type: 26,
  contentType: 34,
  data: 42,
  publishedAtUs: 48,
  ttlMs: 56,
  collapseKey: 66,
  priority: 72,
  attributes: 82,
  deleted: 88,
} as const
const lastField = 11
export const entryKey = { key: 10, value: 18 } as const

const wire = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const

const truncated = 'it ends inside a field'
const badString = 'a string is not UTF-8'

/** Shared by all scans: one scan at a time runs, to its end. */
const cursor: Cursor = { at: 0, low: 0, high: 0 }
/** Start of the envelope. */
let origin = 0

/**
 * Scans bytes [start, end) once and fills `out`. Allocates nothing, decodes nothing, and reads
 * nothing outside. Returns true for an Event that every protobuf decoder accepts and that has
 * exactly one, valid subject: string fields are UTF-8, and published_at_us is from 0 to 2^53 − 1.
 * Otherwise returns false and sets `out.fault`. For other repeated scalars the last one wins.
 * Unknown fields are skipped, groups refused.
 */
export function scanEnvelope(buffer: Uint8Array, start: number, end: number, out: EnvelopeView): boolean {
  clear(out)
  if (start < 0 || end > buffer.length) {
    out.fault = 'it exceeds its buffer'
    return false
  }
  origin = start
  cursor.at = start
  let fault = ''
  while (cursor.at < end && fault === '') fault = scanField(buffer, end, out)
  if (fault === '' && out.subjectLength === 0) fault = 'it has no subject'
  out.fault = fault
  return fault === ''
}

function scanField(buffer: Uint8Array, end: number, out: EnvelopeView): string {
  if (!readVarint(buffer, end, cursor)) return truncated
  if (cursor.high !== 0 || cursor.low < 8) return 'it has a field without a number'
  const tag = cursor.low
  if ((tag & 7) === wire.varint) return scanVarint(buffer, end, tag, out)
  if ((tag & 7) !== wire.bytes) return skipFixed(end, tag)
  if (!readVarint(buffer, end, cursor)) return truncated
  const at = cursor.at
  if (cursor.high !== 0 || cursor.low > end - at) return truncated
  cursor.at = at + cursor.low
  return scanBytes(buffer, at, tag, out)
}

function scanVarint(buffer: Uint8Array, end: number, tag: number, out: EnvelopeView): string {
  if (!readVarint(buffer, end, cursor)) return truncated
  switch (tag) {
    case eventKey.publishedAtUs:
      out.publishedAtUs = cursorValue(cursor)
      if (out.publishedAtUs > Number.MAX_SAFE_INTEGER) {
        return 'published_at_us is not from 0 to 2^53 - 1: it counts microseconds since 1970'
      }
      return ''
    case eventKey.ttlMs:
      out.ttlMs = cursor.low
      return ''
    case eventKey.priority:
      out.priority = cursor.low | 0
      return ''
    case eventKey.deleted:
      out.deleted = (cursor.low | cursor.high) !== 0
      return ''
    default:
      return unknownField(tag)
  }
}

/** Reads a field's bytes, from `at` to the cursor. */
function scanBytes(buffer: Uint8Array, at: number, tag: number, out: EnvelopeView): string {
  const end = cursor.at
  const length = end - at
  const from = at - origin
  switch (tag) {
    case eventKey.subject:
      if (out.subjectLength > 0) return 'it has two subjects'
      out.subjectAt = from
      out.subjectLength = length
      return validSubjectBytes(buffer, at, end) ? '' : 'its subject breaks the subject rules'
    case eventKey.data:
      out.dataAt = from
      out.dataLength = length
      return ''
    case eventKey.attributes:
      out.attributes++
      return scanEntry(buffer, at, end)
    case eventKey.id:
      out.idAt = from
      out.idLength = length
      break
    case eventKey.type:
      out.typeAt = from
      out.typeLength = length
      break
    case eventKey.contentType:
      out.contentTypeAt = from
      out.contentTypeLength = length
      break
    case eventKey.collapseKey:
      out.collapseKeyAt = from
      out.collapseKeyLength = length
      break
    default:
      return unknownField(tag)
  }
  return validUtf8(buffer, at, end) ? '' : badString
}

/**
 * Scans one entry of the attributes, a message of key and value. Leaves the cursor at its end.
 */
function scanEntry(buffer: Uint8Array, start: number, end: number): string {
  cursor.at = start
  while (cursor.at < end) {
    if (!readVarint(buffer, end, cursor)) return truncated
    const tag = cursor.low
    if (cursor.high !== 0 || (tag !== entryKey.key && tag !== entryKey.value))
      return 'an attribute has an unknown field'
    if (!readVarint(buffer, end, cursor)) return truncated
    const at = cursor.at
    if (cursor.high !== 0 || cursor.low > end - at) return truncated
    cursor.at = at + cursor.low
    if (!validUtf8(buffer, at, cursor.at)) return badString
  }
  return ''
}

function skipFixed(end: number, tag: number): string {
  const length = (tag & 7) === wire.fixed64 ? 8 : (tag & 7) === wire.fixed32 ? 4 : 0
  if (length === 0) return 'it has a field of a wire type that events do not use'
  if (length > end - cursor.at) return truncated
  cursor.at += length
  return unknownField(tag)
}

/**
 * Refuses a known field with another wire type. Other fields are from a newer schema and are
 * skipped.
 */
function unknownField(tag: number): string {
  return tag >>> 3 <= lastField ? 'a field has the wrong wire type' : ''
}

export type EventFields = Partial<Event> & Pick<Event, 'subject'>

/**
 * Encodes an event. Throws `bad_subject` and `bad_event` if the result could not be decoded
 * again.
 */
export function encodeEvent(event: EventFields): Uint8Array {
  validateSubject(event.subject)
  checkInteger('publishedAtUs', event.publishedAtUs, 0, Number.MAX_SAFE_INTEGER)
  checkInteger('ttlMs', event.ttlMs, 0, 0xffffffff)
  checkInteger('priority', event.priority, -0x80000000, 0x7fffffff)
  return messages.Event.encode(event).finish()
}

function checkInteger(name: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return
  throw new CarillonError('bad_event', `${name}: expected an integer from ${least} to ${most}, got ${value}`)
}

/**
 * Decodes an event. Throws `bad_event` for bytes that `scanEnvelope` refuses. `data` is a view of
 * `bytes`: copy what outlives them.
 */
export function decodeEvent(bytes: Uint8Array): Event {
  const view = envelopeView()
  if (!scanEnvelope(bytes, 0, bytes.length, view)) {
    throw new CarillonError('bad_event', `expected a protobuf Event of ${bytes.length} bytes, but ${view.fault}`)
  }
  return eventOfMessage(messages.Event.decode(bytes))
}

/** Converts the generated message to a plain event. Checks nothing. */
export function eventOfMessage(message: InstanceType<typeof messages.Event>): Event {
  const { subject, id, type, contentType, data, publishedAtUs, ttlMs } = message
  const { collapseKey, priority, attributes, deleted } = message
  return makeEvent({
    subject,
    id,
    type,
    contentType,
    data,
    publishedAtUs,
    ttlMs,
    collapseKey,
    priority,
    attributes,
    deleted,
  })
}
