import type { Clock } from '../base/clock.ts'
import { Budget } from './budget.ts'
import type { Logger } from './logger.ts'
import type { TraceOptions } from './options.ts'
import { PublishTraces } from './publish-traces.ts'
import { StreamTraces, type TraceLimits, type TraceLosses } from './stream-traces.ts'
import { messagingSystem } from './trace-attributes.ts'
import type { TraceExport } from './trace-options.ts'
import { openTraceSdk, type SpanCounts, type TraceSdk } from './trace-sdk.ts'

/** Exporter faults are logged at most this often, ms. */
const faultLogMs = 60_000
/** How long a process that ends waits for its last spans, ms. */
const lastSpansMs = 2000

export interface TracingOptions {
  readonly to: TraceExport
  readonly traces: TraceOptions
  /** `service.name` unless OTEL_SERVICE_NAME says otherwise. */
  readonly service: string
  /** `service.instance.id`: the gateway's id. */
  readonly instance: string
  readonly version: string
  /** `kafka`, `embedded`, …: the scheme of the broker's URL. */
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

  /** Loads the SDK. A collector that is not there is no fault: spans wait for it, within their bound. */
  static async open(options: TracingOptions): Promise<Tracing> {
    const { to, service, instance, version, counts, logger } = options
    const sdk = await openTraceSdk({
      protocol: to.protocol,
      resource: { 'service.name': service, 'service.instance.id': instance, 'service.version': version },
      version,
      counts,
      onFailed: (error, spans) => {
        const said = `${spans === 1 ? '1 span' : `${spans} spans`} could not be exported to ${to.endpoint}`
        logger.every({ key: 'traces', ms: faultLogMs }, 'warn', `${said}: ${reasonOf(error)}`)
      },
    })
    return new Tracing(sdk, options)
  }

  /** The traces of a stream, by its name in the routes. */
  stream(name: string): StreamTraces {
    const { broker, topicOf, instance, traces } = this.#options
    const to = { system: messagingSystem(broker), topic: topicOf(name), clientId: instance }
    return new StreamTraces(this.#sdk.tracer, to, traces, this.#limits)
  }

  /** Exports what is left, for two seconds at most. */
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

/** An AggregateError, as of a host with two addresses, has its causes inside. */
function reasonOf(error: Error | undefined): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(', ')
  return error?.message || 'the collector did not say why'
}
