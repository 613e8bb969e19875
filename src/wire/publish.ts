import { CarillonError } from '../base/errors.ts'
import { decodeEvent, type EventFields, encodeEvent } from './envelope.ts'
import type { Event, Published } from './frames.ts'
import { messages } from './schema.ts'
import { type Cursor, readVarint, varintLength, writeVarint } from './varint.ts'

/** `POST /v1/publish` in protobuf: PublishRequest and PublishResponse of proto/carillon/v1/gateway.proto. */

/** Field 1, length-delimited: `events`, the request's only field. */
const eventsKey = 0x0a

/**
 * Throws `bad_request` when it is not a PublishRequest, and `bad_event` naming the index of an event that breaks the rules.
 * The events' data are views of `body`.
 */
export function decodePublishRequest(body: Uint8Array): Event[] {
  return eventBytes(body).map((bytes, index) => {
    try {
      return publishable(decodeEvent(bytes))
    } catch (error) {
      if (!(error instanceof CarillonError)) throw error
      throw new CarillonError(error.code, `events[${index}]: ${error.message}`)
    }
  })
}

/** Throws as `encodeEvent`. */
export function encodePublishRequest(events: readonly EventFields[]): Uint8Array {
  const parts = events.map(encodeEvent)
  const size = parts.reduce((sum, part) => sum + 1 + varintLength(part.length) + part.length, 0)
  const body = new Uint8Array(size)
  let at = 0
  for (const part of parts) {
    body[at] = eventsKey
    at = writeVarint(body, at + 1, part.length)
    body.set(part, at)
    at += part.length
  }
  return body
}

export function encodePublishResponse(results: readonly Published[]): Uint8Array {
  return messages.PublishResponse.encode({ results: [...results] }).finish()
}

/** Throws `bad_request` when it is not a PublishResponse. */
export function decodePublishResponse(body: Uint8Array): Published[] {
  try {
    const { results } = messages.PublishResponse.decode(body)
    return (results ?? []).map((result) => ({
      after: result.after ?? '',
      stream: result.stream ?? '',
      partition: result.partition ?? 0,
      offset: result.offset ?? 0,
    }))
  } catch (error) {
    const cause = error instanceof Error ? error.message : String(error)
    throw new CarillonError('bad_request', `expected a protobuf PublishResponse, got other bytes: ${cause}`)
  }
}

function publishable(event: Event): Event {
  if (!event.deleted || event.data.length === 0) return event
  const expected = 'expected no data beside deleted: a deletion is a record without a value'
  throw new CarillonError('bad_event', `${expected}, got ${event.data.length} bytes`)
}

/** The events' own bytes, so that each can be judged and named by itself. Unknown fields are an error: they would be lost. */
function eventBytes(body: Uint8Array): Uint8Array[] {
  const events: Uint8Array[] = []
  const cursor: Cursor = { at: 0, low: 0, high: 0 }
  while (cursor.at < body.length) {
    if (!readVarint(body, body.length, cursor) || cursor.high !== 0 || cursor.low !== eventsKey)
      throw notARequest(events)
    if (!readVarint(body, body.length, cursor)) throw notARequest(events)
    if (cursor.high !== 0 || cursor.low > body.length - cursor.at) throw notARequest(events)
    const start = cursor.at
    cursor.at += cursor.low
    events.push(body.subarray(start, cursor.at))
  }
  return events
}

function notARequest(events: readonly Uint8Array[]): CarillonError {
  const where = events.length === 0 ? 'from its first byte' : `behind events[${events.length - 1}]`
  return new CarillonError('bad_request', `expected a protobuf PublishRequest, got other bytes ${where}`)
}
