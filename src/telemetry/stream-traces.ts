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

/** The event's details for its spans. */
export interface TracedRecord {
  readonly partition: number
  readonly offset: number
  readonly subject: string
  readonly eventId: string
  /** Bounds of the envelope. */
  readonly eventStart: number
  readonly eventEnd: number
  /** Publisher's clock, Unix µs. */
  readonly publishedAtUs: number
}

/** A record's `traceparent` and time, as stored in the log. */
export interface TraceBounds {
  readonly buffer: Buffer
  readonly start: number
  readonly end: number
  /** The record's time, Unix ms. */
  readonly timeMs: number
}

/** Receiver of a delivery. */
export interface Receiver {
  readonly session: number
  readonly transport: string
}

export interface TraceBudgets {
  readonly events: Budget
  readonly deliveries: Budget
}

/** Counts spans that were not made. */
export interface TraceLosses {
  over_budget: number
}

export interface TraceLimits extends TraceBudgets {
  readonly losses: TraceLosses
}

/**
 * Makes the spans of one stream's sampled events. Callers check `maySample` first, so that other
 * events cost nothing more.
 */
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
   * Starts an event's trace; call it after the read and before the fan-out. Then call
   * `EventTrace.wrote` for each delivery and `end` once, all before the next `begin`, because one
   * object is reused. Returns undefined if the event is not sampled or over the budget.
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

  /**
   * Ends an event's trace; `matched` is the number of matching readers. Makes the spans only now,
   * so that no delivery waits for them.
   */
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
   * Traces a delivery to a reader that is catching up. Soon after publishing, the span is part of
   * the event's trace and starts at the broker's time, so it shows the wait for the client. Later
   * it is a replay: a separate trace with a link.
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

/**
 * The deliveries of an event during its fan-out: their number, and the time and receiver of the
 * first and the latest ones.
 */
export class EventTrace {
  parent: SpanContext = { traceId: '', spanId: '', traceFlags: TraceFlags.NONE }
  /** The record's time and its read time, Unix µs. */
  brokerUs = 0
  readAtUs = 0
  /** Time of the last delivery, or the read time before the first one. */
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

  /** Notes a delivery. Calls come in order of time. */
  wrote(atUs: number, session: number, transport: string): void {
    this.lastUs = atUs
    const slot = this.#slot(this.written++)
    if (slot >= this.#most) return
    this.#atUs[slot] = atUs
    this.#sessions[slot] = session
    this.#transports[slot] = transport
  }

  /** Number of deliveries remembered. */
  get kept(): number {
    return Math.min(this.written, this.#most)
  }

  /**
   * Returns a remembered delivery, the slowest first: 0 is the last delivery, and the first
   * delivery comes at the end.
   */
  latest(index: number): Receiver & { readonly atUs: number } {
    const slot = this.#slot(index === this.kept - 1 ? 0 : this.written - 1 - index)
    return { atUs: this.#atUs[slot]!, session: this.#sessions[slot]!, transport: this.#transports[slot]! }
  }

  /** Returns the event's latencies and results on this gateway. */
  figures({ publishedAtUs }: TracedRecord, matched: number): Attributes {
    return {
      'carillon.matched': matched,
      'carillon.written': this.written,
      'carillon.publish_to_broker_us': this.brokerUs - publishedAtUs,
      'carillon.broker_to_read_us': this.readAtUs - this.brokerUs,
      ...(this.written === 0 ? {} : { 'carillon.read_to_written_us': this.lastUs - this.readAtUs }),
    }
  }

  /**
   * Returns a delivery's slot. The first delivery keeps its slot; the others share the rest in
   * turn.
   */
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
