import {
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace as traceApi,
} from '@opentelemetry/api'
import type { Clock } from '../base/clock.ts'
import type { Budget } from './budget.ts'
import { hrTime } from './hr-time.ts'
import type { TraceLosses } from './stream-traces.ts'
import { messagingAttributes, placeAttributes } from './trace-attributes.ts'
import { formatTraceparent, parseTraceparent } from './trace-context.ts'

export interface PublishTracesOptions {
  readonly system: string
  readonly clientId: string
  /** Returns the broker's name of a stream. */
  readonly topicOf: (stream: string) => string
}

export interface PublishTraceLimits {
  readonly budget: Budget
  readonly losses: TraceLosses
}

/** The location of a published event. */
interface Place {
  readonly stream: string
  readonly partition: number
  readonly offset: number
}

/** Spans of publishing: `send TOPIC`, from the request to the broker's acknowledgement. */
export class PublishTraces {
  readonly #tracer: Tracer
  readonly #options: PublishTracesOptions
  readonly #clock: Clock
  readonly #limits: PublishTraceLimits

  constructor(tracer: Tracer, options: PublishTracesOptions, clock: Clock, limits: PublishTraceLimits) {
    this.#tracer = tracer
    this.#options = options
    this.#clock = clock
    this.#limits = limits
  }

  /**
   * Continues a sampled context. Returns undefined if the context is not sampled or over the
   * budget; the records then carry the caller's `traceparent`.
   */
  continue(traceparent: string | undefined): PublishSpan | undefined {
    const parent = traceparent === undefined ? undefined : parseTraceparent(traceparent)
    if (parent === undefined || !parent.sampled) return undefined
    if (this.#limits.budget.take(1) === 0) {
      this.#limits.losses.over_budget++
      return undefined
    }
    const { traceId, spanId } = parent
    const context = { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true }
    return this.#start(traceApi.setSpanContext(ROOT_CONTEXT, context))
  }

  /** Starts a trace with a publish to the broker. */
  begin(): PublishSpan {
    return this.#start(ROOT_CONTEXT)
  }

  /** Starts a trace with a request to a gateway, which continues it. */
  beginRequest(url: string): PublishSpan {
    const { hostname, port } = new URL(url)
    const attributes = {
      'http.request.method': 'POST',
      'url.full': url,
      'server.address': hostname,
      ...(port === '' ? {} : { 'server.port': Number(port) }),
    }
    const startTime = hrTime(this.#clock.nowUs())
    const kind = SpanKind.CLIENT
    const span = this.#tracer.startSpan('POST /v1/publish', { kind, startTime, attributes }, ROOT_CONTEXT)
    return new PublishSpan(span, undefined, this.#clock)
  }

  #start(parent: typeof ROOT_CONTEXT): PublishSpan {
    const startTime = hrTime(this.#clock.nowUs())
    const span = this.#tracer.startSpan('send', { kind: SpanKind.PRODUCER, startTime }, parent)
    return new PublishSpan(span, this.#options, this.#clock)
  }
}

/** The span of one publish. Its records carry `traceparent`. */
export class PublishSpan {
  readonly #span: Span
  /** undefined = the request goes to a gateway, whose span names the location. */
  readonly #options: PublishTracesOptions | undefined
  readonly #clock: Clock

  constructor(span: Span, options: PublishTracesOptions | undefined, clock: Clock) {
    this.#span = span
    this.#options = options
    this.#clock = clock
  }

  get traceId(): string {
    return this.#span.spanContext().traceId
  }

  get traceparent(): string {
    const { traceId, spanId } = this.#span.spanContext()
    return formatTraceparent({ traceId, spanId, sampled: true })
  }

  /** Ends the span when the broker has acknowledged all events. */
  acknowledged(places: readonly Place[]): void {
    if (this.#options !== undefined) this.#describe(this.#options, places)
    this.#end()
  }

  /** Ends the span with an error; `code` is one of the table of errors. */
  failed(code: string, message: string): void {
    this.#span.setStatus({ code: SpanStatusCode.ERROR, message })
    this.#span.setAttribute('error.type', code)
    this.#end()
  }

  /**
   * Sets the name and attributes, which depend on the routes and so are known only at the end.
   */
  #describe({ system, clientId, topicOf }: PublishTracesOptions, places: readonly Place[]): void {
    const topic = [...new Set(places.map(({ stream }) => topicOf(stream)))].join(' ')
    this.#span.updateName(`send ${topic}`)
    this.#span.setAttributes(messagingAttributes({ system, topic, clientId }, 'send', 'send'))
    const [place] = places
    if (places.length > 1) this.#span.setAttribute('messaging.batch.message_count', places.length)
    else if (place !== undefined) this.#span.setAttributes(placeAttributes(system, place.partition, place.offset))
  }

  #end(): void {
    this.#span.end(hrTime(this.#clock.nowUs()))
  }
}
