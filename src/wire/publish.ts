import { CarillonError } from '../base/errors.ts'
import { decodeEvent, type EventFields, encodeEvent } from './envelope.ts'
import type { Event, Published } from './frames.ts'
import { messages } from './schema.ts'
import { type Cursor, readVarint, varintLength, writeVarint } from './varint.ts'

/** `POST /v1/publish` in protobuf: PublishRequest and PublishResponse of proto/carillon/v1/gateway.proto. */

/** Field 1, length-delimited: `events`, the request's only field. */
const eventsKey = 0x0a

/**
 * Decodes a PublishRequest. Throws `bad_request` for other bytes, and `bad_event` naming the
 * index of an invalid event. Calls `counted` with the number of events before it reads any;
 * `counted` may throw. The events' data are views of `body`.
 */
export function decodePublishRequest(body: Uint8Array, counted: (events: number) => void = () => {}): Event[] {
  let count = 0
  eachEvent(body, () => count++)
  counted(count)
  const events: Uint8Array[] = []
  eachEvent(body, (start, end) => events.push(body.subarray(start, end)))
  return events.map((bytes, index) => {
    try {
      return publishable(decodeEvent(bytes))
    } catch (error) {
      if (!(error instanceof CarillonError)) throw error
      throw new CarillonError(error.code, `events[${index}]: ${error.message}`)
    }
  })
}

/** Encodes a PublishRequest. Throws like `encodeEvent`. */
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

/** Decodes a PublishResponse. Throws `bad_request` for other bytes. */
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
    throw new CarillonError('bad_request', `expected a protobuf PublishResponse, got invalid bytes: ${cause}`)
  }
}

function publishable(event: Event): Event {
  if (!event.deleted || event.data.length === 0) return event
  const expected = 'expected no data with deleted: a deletion is a record without a value'
  throw new CarillonError('bad_event', `${expected}, got ${event.data.length} bytes`)
}

/**
 * Calls `take` with the bounds of each event, so that each can be validated and named separately.
 * Refuses unknown fields, because they would be lost.
 */
function eachEvent(body: Uint8Array, take: (start: number, end: number) => void): void {
  const cursor: Cursor = { at: 0, low: 0, high: 0 }
  for (let index = 0; cursor.at < body.length; index++) {
    if (!readVarint(body, body.length, cursor) || cursor.high !== 0 || cursor.low !== eventsKey)
      throw notARequest(index)
    if (!readVarint(body, body.length, cursor)) throw notARequest(index)
    if (cursor.high !== 0 || cursor.low > body.length - cursor.at) throw notARequest(index)
    const start = cursor.at
    cursor.at += cursor.low
    take(start, cursor.at)
  }
}

function notARequest(index: number): CarillonError {
  const where = index === 0 ? 'at its start' : `after events[${index - 1}]`
  return new CarillonError('bad_request', `expected a protobuf PublishRequest, got invalid bytes ${where}`)
}
