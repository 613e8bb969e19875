import { randomUUID } from 'node:crypto'
import { CarillonError } from '../base/errors.ts'
import { LimitReached } from '../base/limits.ts'
import { isLoopback, isLoopbackHostHeader } from '../base/loopback.ts'
import type { Grant } from '../identity/grant.ts'
import { parseTraceparent, traceHeaders, traceparentHeader } from '../telemetry/trace-context.ts'
import { type CloudEvent, eventFromCloudEvent } from '../wire/cloudevent.ts'
import { attributePrefix, cloudEventHeaders } from '../wire/cloudevent-headers.ts'
import { readCloudEvent } from '../wire/cloudevent-json.ts'
import { eventFromJson } from '../wire/event-json.ts'
import { type Event, type Published, publishedAt } from '../wire/frames.ts'
import { elementTexts, memberTexts } from '../wire/json-members.ts'
import { decodePublishRequest, encodePublishResponse } from '../wire/publish.ts'
import { readBody } from './body.ts'
import type { EdgeContext } from './context.ts'
import { queryOf } from './exchange.ts'
import type { Request } from './listener.ts'
import { jsonText, mediaType, parseJson } from './media.ts'
import { parseQuery, quote } from './query.ts'
import type { Handler } from './router.ts'

export const publishPath = '/v1/publish'

const json = 'application/json'
const protobuf = 'application/x-protobuf'
const cloudEvent = 'application/cloudevents+json'
const cloudEvents = 'application/cloudevents-batch+json'
const mediaTypes = [json, protobuf, 'application/protobuf', cloudEvent, cloudEvents] as const

/**
 * Form of a body: its media type, or the attributes of a CloudEvent in binary mode, whose data it
 * is.
 */
type Form = (typeof mediaTypes)[number] | Omit<CloudEvent, 'data'>

/**
 * Serves `POST /v1/publish`: one event, or a batch that is published as a whole or not at all.
 * Answers after the broker's acknowledgement. `listensOn` is the listener's host.
 */
export function servePublish(context: EdgeContext, listensOn = context.options.host): Handler {
  return async (exchange, req) => {
    checkOpen(context, req, listensOn)
    parseQuery(queryOf(req), [])
    const grant = context.contracts.identify(req)
    // `ce-` headers need a preflight, as the media types do: no form of another site can send
    // them.
    const form = cloudEventHeaders((take) => req.forEach(take)) ?? mediaType(req, mediaTypes)
    const traceparent = req.getHeader(traceparentHeader)
    const body = await readBody(context, { exchange, req, maxBytes: context.options.maxBodyBytes })
    if (body === undefined) return
    const request = readRequest(form, body, (events) => checkCount(context, events))
    const events = complete(context, request.events)
    const trace = [traceparent, request.traceparent ?? ''].find((each) => parseTraceparent(each) !== undefined)
    const results = await publish(context, events, grant, trace === undefined ? {} : { traceparent: trace })
    if (form === protobuf || form === 'application/protobuf') {
      exchange.answer(200, [['Content-Type', protobuf]], encodePublishResponse(results))
    } else exchange.answerJson(200, { results })
  }
}

/** Receives the number of events in a request; throws if it is not allowed. */
type CheckCount = (events: number) => void

interface PublishRequest {
  readonly events: readonly Event[]
  /** The attribute of a single CloudEvent, if it has one. */
  readonly traceparent?: string | undefined
}

/** Reads the events. Calls `check` with the size of a batch before it reads any of them. */
function readRequest(form: Form, body: Uint8Array, check: CheckCount): PublishRequest {
  switch (form) {
    case json:
      return { events: eventsFromJson(jsonText(body), check) }
    case cloudEvent:
      return cloudEventFrom(jsonText(body))
    case cloudEvents:
      return { events: cloudEventsFrom(jsonText(body), check) }
    case protobuf:
    case 'application/protobuf':
      return { events: decodePublishRequest(body, check) }
    default:
      return singleEvent({ ...form, data: body }, attributePrefix)
  }
}

async function publish(
  context: EdgeContext,
  events: readonly Event[],
  grant: Grant,
  options: { traceparent?: string },
): Promise<Published[]> {
  const { maxPublishes } = context.options
  if (context.publishes >= maxPublishes) {
    throw new LimitReached(
      'maxPublishes',
      'overloaded',
      `${maxPublishes} publish requests are already waiting for the broker; retry later`,
    )
  }
  context.publishes++
  try {
    return await context.contracts.publisher.publish(events, grant, options)
  } finally {
    context.publishes--
  }
}

/**
 * Throws unless publishing is open. Anyone who reaches the listener may publish, so only this host
 * may reach it, and no page of another site (DNS rebinding).
 */
function checkOpen(context: EdgeContext, req: Request, host: string): void {
  context.admit()
  if (!isLoopback(host)) {
    const problem = `publishing over HTTP needs a loopback listener, this one is on ${host}`
    throw new CarillonError(
      'publish_closed',
      `${problem}: publish to the broker (carillon publish --broker), or to a gateway with --listen 127.0.0.1:8080`,
    )
  }
  const hostHeader = req.getHeader('host')
  if (isLoopbackHostHeader(hostHeader)) return
  throw new CarillonError('publish_closed', `expected a Host header that names the loopback, got ${quote(hostHeader)}`)
}

/** Reads one event, or `{"events": […]}`. */
function eventsFromJson(text: string, check: CheckCount): Event[] {
  const body = parseJson(text)
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'events')) return [eventFromJson(body, text)]
  const { events, ...others } = body as Record<string, unknown>
  if (!Array.isArray(events))
    throw new CarillonError('bad_request', `expected events to be an array, got ${quote(events)}`)
  const other = Object.keys(others)[0]
  if (other !== undefined) throw new CarillonError('bad_request', `expected only the field events, got ${quote(other)}`)
  check(events.length)
  const texts = elementTexts(memberTexts(text).get('events')!)
  return events.map((event, index) => eventFromJson(event, texts[index]!, `events[${index}]`))
}

/** Reads a CloudEvent in structured mode. */
function cloudEventFrom(text: string): PublishRequest {
  const body = parseJson(text)
  if (Array.isArray(body))
    throw new CarillonError('bad_request', `expected one CloudEvent, got an array: send it as ${cloudEvents}`)
  return singleEvent(readCloudEvent(body, text), 'event.')
}

/** `where` is the prefix of an attribute's name in messages. */
function singleEvent(cloudEvent: CloudEvent, where: string): PublishRequest {
  return {
    events: [eventFromCloudEvent(cloudEvent, where, traceHeaders)],
    traceparent: cloudEvent.attributes.get(traceparentHeader),
  }
}

/** Reads CloudEvents in batched mode: an array. */
function cloudEventsFrom(text: string, check: CheckCount): Event[] {
  const body = parseJson(text)
  if (!Array.isArray(body))
    throw new CarillonError(
      'bad_request',
      `expected an array of CloudEvents, got ${quote(body)}: send a single one as ${cloudEvent}`,
    )
  check(body.length)
  const texts = elementTexts(text)
  return body.map((each, index) => {
    const path = `[${index}]`
    return eventFromCloudEvent(readCloudEvent(each, texts[index]!, path), `${path}.`, traceHeaders)
  })
}

/** Throws unless the number of events is within the limit. */
function checkCount({ options: { maxPublishEvents } }: EdgeContext, events: number): void {
  if (events >= 1 && events <= maxPublishEvents) return
  throw new LimitReached('maxPublishEvents', 'bad_request', `expected 1 to ${maxPublishEvents} events, got ${events}`)
}

/** Adds a missing id and publishing time. */
function complete(context: EdgeContext, events: readonly Event[]): Event[] {
  return events.map((event) => ({
    ...event,
    id: event.id || randomUUID(),
    publishedAtUs: publishedAt(event, context.contracts.clock.nowUs()),
  }))
}
