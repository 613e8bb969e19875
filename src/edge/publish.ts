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

/** What a body is: of a media type, or the data of a CloudEvent whose attributes are headers. */
type Form = (typeof mediaTypes)[number] | Omit<CloudEvent, 'data'>

/**
 * `POST /v1/publish`: one event, or a batch of which all or none are wrong. Answers after the broker's acknowledgement. `listensOn` is its
 * listener's host.
 */
export function servePublish(context: EdgeContext, listensOn = context.options.host): Handler {
  return async (exchange, req) => {
    checkOpen(context, req, listensOn)
    parseQuery(queryOf(req), [])
    const grant = context.contracts.identify(req)
    // Headers named `ce-` need a preflight as well: no form of another site can send them.
    const form = cloudEventHeaders((take) => req.forEach(take)) ?? mediaType(req, mediaTypes)
    const traceparent = req.getHeader(traceparentHeader)
    const body = await readBody(context, { exchange, req, maxBytes: context.options.maxBodyBytes })
    if (body === undefined) return
    const asked = readRequest(form, body, (events) => expectFew(context, events))
    const events = complete(context, asked.events)
    const trace = [traceparent, asked.traceparent ?? ''].find((each) => parseTraceparent(each) !== undefined)
    const results = await publish(context, events, grant, trace === undefined ? {} : { traceparent: trace })
    if (form === protobuf || form === 'application/protobuf') {
      exchange.answer(200, [['Content-Type', protobuf]], encodePublishResponse(results))
    } else exchange.answerJson(200, { results })
  }
}

/** Throws where a request has too many. */
type Counted = (events: number) => void

interface Asked {
  readonly events: readonly Event[]
  /** Of the one event that a request is for, where that has one of its own. */
  readonly traceparent?: string | undefined
}

/** `counted` is told how many events there are before any is read. */
function readRequest(form: Form, body: Uint8Array, counted: Counted): Asked {
  switch (form) {
    case json:
      return { events: eventsFromJson(jsonText(body), counted) }
    case cloudEvent:
      return cloudEventFrom(jsonText(body))
    case cloudEvents:
      return { events: cloudEventsFrom(jsonText(body), counted) }
    case protobuf:
    case 'application/protobuf':
      return { events: decodePublishRequest(body, counted) }
    default:
      return askedBy({ ...form, data: body }, attributePrefix)
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
      `${maxPublishes} publish requests wait for the broker already; send this one later`,
    )
  }
  context.publishes++
  try {
    return await context.contracts.publisher.publish(events, grant, options)
  } finally {
    context.publishes--
  }
}

/** Anyone who reaches the listener may publish, so it has to be this machine only, and no page of another site. */
function checkOpen(context: EdgeContext, req: Request, host: string): void {
  context.admit()
  if (!isLoopback(host)) {
    const said = `publishing over HTTP needs a loopback listener, this one is ${host}`
    throw new CarillonError(
      'publish_closed',
      `${said}: publish to the broker (carillon publish --broker), or to a gateway with --listen 127.0.0.1:8080`,
    )
  }
  const asked = req.getHeader('host')
  if (isLoopbackHostHeader(asked)) return
  throw new CarillonError('publish_closed', `expected a Host header that names the loopback, got ${quote(asked)}`)
}

/** One event, or `{"events": […]}`. */
function eventsFromJson(text: string, counted: Counted): Event[] {
  const body = parseJson(text)
  if (typeof body !== 'object' || body === null || !Object.hasOwn(body, 'events')) return [eventFromJson(body, text)]
  const { events, ...others } = body as Record<string, unknown>
  if (!Array.isArray(events))
    throw new CarillonError('bad_request', `expected events to be an array, got ${quote(events)}`)
  const other = Object.keys(others)[0]
  if (other !== undefined) throw new CarillonError('bad_request', `expected nothing beside events, got ${quote(other)}`)
  counted(events.length)
  const texts = elementTexts(memberTexts(text).get('events')!)
  return events.map((event, index) => eventFromJson(event, texts[index]!, `events[${index}]`))
}

/** A CloudEvent in structured mode. */
function cloudEventFrom(text: string): Asked {
  const body = parseJson(text)
  if (Array.isArray(body))
    throw new CarillonError('bad_request', `expected one CloudEvent, got an array: send it as ${cloudEvents}`)
  return askedBy(readCloudEvent(body, text), 'event.')
}

/** `where`: what stands before an attribute's name in messages. */
function askedBy(cloudEvent: CloudEvent, where: string): Asked {
  return {
    events: [eventFromCloudEvent(cloudEvent, where, traceHeaders)],
    traceparent: cloudEvent.attributes.get(traceparentHeader),
  }
}

/** CloudEvents in batched mode: an array of them. */
function cloudEventsFrom(text: string, counted: Counted): Event[] {
  const body = parseJson(text)
  if (!Array.isArray(body))
    throw new CarillonError(
      'bad_request',
      `expected an array of CloudEvents, got ${quote(body)}: send a single one as ${cloudEvent}`,
    )
  counted(body.length)
  const texts = elementTexts(text)
  return body.map((each, index) => {
    const path = `[${index}]`
    return eventFromCloudEvent(readCloudEvent(each, texts[index]!, path), `${path}.`, traceHeaders)
  })
}

/** Throws unless a request has so many events: none are made of one that has too many. */
function expectFew({ options: { maxPublishEvents } }: EdgeContext, events: number): void {
  if (events >= 1 && events <= maxPublishEvents) return
  const said = `expected 1 to ${maxPublishEvents} events, got ${events}`
  throw new LimitReached('maxPublishEvents', 'bad_request', said)
}

/** Fills in what the gateway knows as well as its publisher. */
function complete(context: EdgeContext, events: readonly Event[]): Event[] {
  return events.map((event) => ({
    ...event,
    id: event.id || randomUUID(),
    publishedAtUs: publishedAt(event, context.contracts.clock.nowUs()),
  }))
}
