import type { Clock } from '../base/clock.ts'
import { Budget } from './budget.ts'
import type { Logger } from './logger.ts'
import type { TraceOptions } from './options.ts'
import { PublishTraces } from './publish-traces.ts'
import { StreamTraces, type TraceLimits, type TraceLosses } from './stream-traces.ts'
import { messagingSystem } from './trace-attributes.ts'
import type { TraceExport } from './trace-options.ts'
import { openTraceSdk, type SpanCounts, type TraceSdk } from './trace-sdk.ts'

/** Interval between log lines about export failures, ms. */
const faultLogMs = 60_000
/** Maximum wait for the last spans at shutdown, ms. */
const lastSpansMs = 2000

export interface TracingOptions {
  readonly to: TraceExport
  readonly traces: TraceOptions
  /** `service.name`, unless OTEL_SERVICE_NAME sets it. */
  readonly service: string
  /** `service.instance.id`: the gateway's id. */
  readonly instance: string
  readonly version: string
  /** `kafka`, `embedded` etc.: the scheme of the broker's URL. */
  readonly broker: string
  readonly topicOf: (stream: string) => string
  readonly counts: SpanCounts & TraceLosses
  readonly clock: Clock
  readonly logger: Pick<Logger, 'every'>
}

/** The traces of one process. */
export class Tracing {
  readonly publishes: PublishTraces
  readonly #sdk: TraceSdk
  readonly #options: TracingOptions
  readonly #limits: TraceLimits

  private constructor(sdk: TraceSdk, options: TracingOptions) {
    const { traces, clock, broker, instance, topicOf, counts } = options
    this.#sdk = sdk
    this.#options = options
    this.#limits = {
      events: new Budget(traces.eventsPerSecond, clock),
      deliveries: new Budget(traces.deliveriesPerSecond, clock),
      losses: counts,
    }
    this.publishes = new PublishTraces(
      sdk.tracer,
      { system: messagingSystem(broker), clientId: instance, topicOf },
      clock,
      { budget: new Budget(traces.eventsPerSecond, clock), losses: counts },
    )
  }

  /**
   * Loads the SDK. A missing collector is not an error: spans wait for it in the bounded queue.
   */
  static async open(options: TracingOptions): Promise<Tracing> {
    const { to, service, instance, version, counts, logger } = options
    const sdk = await openTraceSdk({
      protocol: to.protocol,
      resource: { 'service.name': service, 'service.instance.id': instance, 'service.version': version },
      version,
      counts,
      onFailed: (error, spans) => {
        const problem = `${spans === 1 ? '1 span' : `${spans} spans`} could not be exported to ${to.endpoint}`
        logger.every({ key: 'traces', ms: faultLogMs }, 'warn', `${problem}: ${reasonOf(error)}`)
      },
    })
    return new Tracing(sdk, options)
  }

  /** Returns the traces of a stream, by its name in the routes. */
  stream(name: string): StreamTraces {
    const { broker, topicOf, instance, traces } = this.#options
    const to = { system: messagingSystem(broker), topic: topicOf(name), clientId: instance }
    return new StreamTraces(this.#sdk.tracer, to, traces, this.#limits)
  }

  /** Exports the remaining spans, for at most two seconds. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      const giveUp = this.#options.clock.after(lastSpansMs, resolve)
      void this.#sdk.close().then(() => {
        giveUp()
        resolve()
      })
    })
  }
}

/** An AggregateError, for example of a host with two addresses, contains the causes. */
function reasonOf(error: Error | undefined): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(', ')
  return error?.message || 'the collector gave no reason'
}
