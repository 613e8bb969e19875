import {
  type Attributes,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  TraceFlags,
  type Tracer,
  trace as traceApi,
} from '@opentelemetry/api'
import type { Budget } from './budget.ts'
import { hrTime } from './hr-time.ts'
import type { TraceOptions } from './options.ts'
import { type Destination, messagingAttributes, placeAttributes } from './trace-attributes.ts'
import { parseTraceparent } from './trace-context.ts'

/** An event on its way, as its spans name it. */
export interface TracedRecord {
  readonly partition: number
  readonly offset: number
  readonly subject: string
  readonly eventId: string
  /** The envelope. */
  readonly eventStart: number
  readonly eventEnd: number
  /** Publisher's clock, Unix µs. */
  readonly publishedAtUs: number
}

/** A record's `traceparent`, and its time: what the log has of it. */
export interface TraceBounds {
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
  /** The record's time, Unix ms. */
  readonly timeMs: number
}

/** Whom a delivery went to. */
export interface Receiver {
  readonly session: number
  readonly transport: string
}

export interface TraceBudgets {
  readonly events: Budget
  readonly deliveries: Budget
}

/** Spans that were not made, as they are counted. */
export interface TraceLosses {
  over_budget: number
}

export interface TraceLimits extends TraceBudgets {
  readonly losses: TraceLosses
}

/** Where the spans of one stream's sampled events are made. Callers ask `maySample` first: what is not sampled costs no more. */
export class StreamTraces {
  readonly options: TraceOptions
  readonly #tracer: Tracer
  readonly #to: Destination
  readonly #limits: TraceLimits
  readonly #event: EventTrace

  constructor(tracer: Tracer, to: Destination, options: TraceOptions, limits: TraceLimits) {
    this.options = options
    this.#tracer = tracer
    this.#to = to
    this.#limits = limits
    this.#event = new EventTrace(options.deliveriesPerEvent)
  }

  /**
   * To be called when a record was read, before it is fanned out; then `EventTrace.wrote` for each delivery and `end` once, all
   * before the next `begin`: one object is reused. undefined = not sampled, or over the budget.
   */
  begin(bounds: TraceBounds, readAtUs: number): EventTrace | undefined {
    const parent = sampledContext(bounds)
    if (parent === undefined) return undefined
    if (this.#limits.events.take(1) === 0) {
      this.#limits.losses.over_budget++
      return undefined
    }
    this.#event.start(parent, bounds.timeMs * 1000, readAtUs)
    return this.#event
  }

  /** `matched` readers wanted it. Only now spans are made: no delivery waits for them. */
  end(event: EventTrace, record: TracedRecord, matched: number): void {
    const to = this.#to
    const span = this.#tracer.startSpan(
      `process ${to.topic}`,
      {
        kind: SpanKind.CONSUMER,
        startTime: hrTime(event.readAtUs),
        links: [{ context: event.parent }],
        attributes: {
          ...messagingAttributes(to, 'process', 'process'),
          ...this.#eventAttributes(record),
          ...event.figures(record, matched),
        },
      },
      traceApi.setSpanContext(ROOT_CONTEXT, event.parent),
    )
    const parent = traceApi.setSpan(ROOT_CONTEXT, span)
    const allowed = this.#take(event.kept)
    for (let i = 0; i < allowed; i++) {
      const { atUs, session, transport } = event.latest(i)
      this.#tracer
        .startSpan(
          `deliver ${to.topic}`,
          {
            kind: SpanKind.PRODUCER,
            startTime: hrTime(event.readAtUs),
            attributes: this.#delivery({ session, transport }),
          },
          parent,
        )
        .end(hrTime(atUs))
    }
    span.end(hrTime(event.lastUs))
  }

  /**
   * A delivery to a reader that was catching up. Soon after the publishing it is a part of the event's trace, from the broker's time
   * on: the wait for the client. Later it is a replay: a trace of its own, with a link.
   */
  missed(record: TracedRecord, bounds: TraceBounds, writtenAtUs: number, receiver: Receiver): void {
    const event = sampledContext(bounds)
    if (event === undefined || this.#take(1) === 0) return
    const replay = writtenAtUs - record.publishedAtUs >= this.options.replayAfterMs * 1000
    const fromUs = replay ? writtenAtUs : Math.min(bounds.timeMs * 1000, writtenAtUs)
    const attributes = {
      ...this.#delivery(receiver),
      ...this.#eventAttributes(record),
      'carillon.catch_up': true,
      'carillon.publish_to_written_us': writtenAtUs - record.publishedAtUs,
    }
    const parent = replay ? ROOT_CONTEXT : traceApi.setSpanContext(ROOT_CONTEXT, event)
    this.#tracer
      .startSpan(
        `deliver ${this.#to.topic}`,
        { kind: SpanKind.PRODUCER, startTime: hrTime(fromUs), links: [{ context: event }], attributes },
        parent,
      )
      .end(hrTime(writtenAtUs))
  }

  #take(wanted: number): number {
    const taken = this.#limits.deliveries.take(wanted)
    this.#limits.losses.over_budget += wanted - taken
    return taken
  }

  #eventAttributes({ partition, offset, subject, eventId, eventStart, eventEnd }: TracedRecord): Attributes {
    return {
      ...placeAttributes(this.#to.system, partition, offset),
      ...(eventId === '' ? {} : { 'messaging.message.id': eventId }),
      'messaging.message.envelope.size': eventEnd - eventStart,
      'carillon.subject': subject,
    }
  }

  #delivery({ session, transport }: Receiver): Attributes {
    return {
      ...messagingAttributes(this.#to, 'send', 'deliver'),
      'carillon.transport': transport,
      'carillon.session': session,
    }
  }
}

/** The event's deliveries while it is fanned out: how many, and when and to whom the first and the latest went. */
export class EventTrace {
  parent: SpanContext = { traceId: '', spanId: '', traceFlags: TraceFlags.NONE }
  /** The record's time and the time of its reading, Unix µs. */
  brokerUs = 0
  readAtUs = 0
  /** The last delivery; the reading while there is none. */
  lastUs = 0
  written = 0
  readonly #most: number
  readonly #atUs: Float64Array
  readonly #sessions: Float64Array
  readonly #transports: string[]

  constructor(most: number) {
    this.#most = most
    this.#atUs = new Float64Array(most)
    this.#sessions = new Float64Array(most)
    this.#transports = new Array<string>(most).fill('')
  }

  start(parent: SpanContext, brokerUs: number, readAtUs: number): void {
    this.parent = parent
    this.brokerUs = brokerUs
    this.readAtUs = readAtUs
    this.lastUs = readAtUs
    this.written = 0
  }

  /** One delivery; they come in the order of their times. */
  wrote(atUs: number, session: number, transport: string): void {
    this.lastUs = atUs
    const slot = this.#slot(this.written++)
    if (slot >= this.#most) return
    this.#atUs[slot] = atUs
    this.#sessions[slot] = session
    this.#transports[slot] = transport
  }

  /** Deliveries that are remembered. */
  get kept(): number {
    return Math.min(this.written, this.#most)
  }

  /** The slowest first: 0 is the last delivery, and after all others comes the very first. */
  latest(index: number): Receiver & { readonly atUs: number } {
    const slot = this.#slot(index === this.kept - 1 ? 0 : this.written - 1 - index)
    return { atUs: this.#atUs[slot]!, session: this.#sessions[slot]!, transport: this.#transports[slot]! }
  }

  /** Its waits, and what became of it on this gateway. */
  figures({ publishedAtUs }: TracedRecord, matched: number): Attributes {
    return {
      'carillon.matched': matched,
      'carillon.written': this.written,
      'carillon.publish_to_broker_us': this.brokerUs - publishedAtUs,
      'carillon.broker_to_read_us': this.readAtUs - this.brokerUs,
      ...(this.written === 0 ? {} : { 'carillon.read_to_written_us': this.lastUs - this.readAtUs }),
    }
  }

  /** The first has a slot of its own; the others take turns in the rest. */
  #slot(delivery: number): number {
    if (delivery < this.#most || this.#most < 2) return delivery
    return 1 + ((delivery - 1) % (this.#most - 1))
  }
}

function sampledContext({ buffer, start, end }: TraceBounds): SpanContext | undefined {
  const context = parseTraceparent(buffer.toString('latin1', start, end))
  if (context === undefined || !context.sampled) return undefined
  const { traceId, spanId } = context
  return { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true }
}
