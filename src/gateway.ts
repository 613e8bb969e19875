import { randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { AdminContracts } from './admin/contracts.ts'
import { adminDefaults } from './admin/options.ts'
import { type Admin, openAdmin } from './admin/server.ts'
import { type LoopClock, loopClock } from './base/clock.ts'
import { closeAll } from './base/close-all.ts'
import { parseListen } from './base/listen-address.ts'
import { type Random, systemRandom } from './base/random.ts'
import type { Config } from './config/config.ts'
import { type Edge, startEdge } from './edge/edge.ts'
import { edgeDefaults } from './edge/options.ts'
import { allowAll } from './identity/grant.ts'
import { MeasuredPublisher } from './publish/measured-publisher.ts'
import { Publisher } from './publish/publisher.ts'
import { RoutingTable } from './routing/table.ts'
import type { ServingOptions } from './serving/options.ts'
import { Serving } from './serving/serving.ts'
import { openSource } from './source/open.ts'
import type { Source } from './source/source.ts'
import { families } from './telemetry/families.ts'
import { Instruments } from './telemetry/instruments.ts'
import { type Logger, openLogger } from './telemetry/logger.ts'
import { ProcessInstruments } from './telemetry/process.ts'
import { metricsContentType, prometheusText } from './telemetry/sdk.ts'
import { traceExport } from './telemetry/trace-options.ts'
import type { Tracing } from './telemetry/tracing.ts'

/** One gateway, running. */
export interface Gateway {
  /** Where clients connect: `http://127.0.0.1:8080`. */
  readonly listen: string
  /** Health, metrics, admin API: `http://127.0.0.1:8081`. */
  readonly admin: string
  /** Says goodbye to all clients, within `drainMs`, and releases ports, connections and files. */
  close(): Promise<void>
}

export interface GatewaySurroundings {
  readonly clock?: LoopClock
  readonly random?: Random
  readonly logger?: Logger
}

const mib = 1 << 20

export const version: string = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version

/**
 * Builds, wires and starts everything. Resolves once both listeners are open, whether the broker is there or not (`/readyz` says);
 * rejects with `listen_failed`, `storage_locked` and the like, with nothing left behind.
 */
export async function startGateway(config: Config, surroundings: GatewaySurroundings = {}): Promise<Gateway> {
  const clock = surroundings.clock ?? loopClock()
  const logger = surroundings.logger ?? openLogger({ level: config.logLevel, format: config.logFormat }, clock)
  const gateway = new RunningGateway(config, clock, surroundings.random ?? systemRandom, logger)
  try {
    await gateway.start()
  } catch (error) {
    await gateway.close().catch((failure: unknown) => {
      logger.log('warn', `what was open when the start failed did not close: ${String(failure)}`)
    })
    throw error
  }
  return gateway
}

class RunningGateway implements Gateway {
  listen = ''
  admin = ''
  readonly #id = randomUUID().slice(0, 8)
  readonly #config: Config
  readonly #clock: LoopClock
  readonly #random: Random
  readonly #logger: Logger
  readonly #startedMs: number
  readonly #instruments = new Instruments()
  readonly #process: ProcessInstruments
  readonly #routing: RoutingTable
  #source: Source | undefined
  #serving: Serving | undefined
  #edge: Edge | undefined
  #admin: Admin | undefined
  #tracing: Tracing | undefined
  #closing: Promise<void> | undefined

  constructor(config: Config, clock: LoopClock, random: Random, logger: Logger) {
    this.#config = config
    this.#clock = clock
    this.#random = random
    this.#logger = logger
    this.#startedMs = clock.monotonicMs()
    this.#process = new ProcessInstruments(clock)
    this.#routing = new RoutingTable(config.routes)
  }

  async start(): Promise<void> {
    const { broker, kafka, nats, embedded } = this.#config
    const context = {
      clock: this.#clock,
      log: (level: 'info' | 'warn' | 'error', message: string, fields?: Record<string, unknown>) => {
        this.#logger.log(level, message, fields)
      },
    }
    const { maxEventBytes } = this.#config.limits
    const source = await openSource(broker, context, { kafka, nats, embedded: { ...embedded, maxEventBytes } })
    this.#source = source
    await this.#openTracing(source)
    const serving = this.#makeServing(source)
    this.#serving = serving
    this.#admin = await openAdmin(
      { ...adminDefaults, ...parseListen(this.#config.admin) },
      this.#adminContracts(source, serving),
    )
    this.admin = this.#admin.url
    await serving.start()
    this.#edge = await startEdge(this.#edgeOptions(), {
      sessions: serving.sessions,
      publisher: this.#makePublisher(source, serving),
      identify: () => allowAll,
      clock: this.#clock,
      random: this.#random,
      log: (level, message, fields) => this.#logger.log(level, message, fields),
    })
    this.listen = this.#edge.url
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await closeAll([
      () => this.#edge?.stop(),
      () => this.#serving?.drain(),
      () => this.#edge?.close(this.#config.drainMs),
      () => this.#serving?.close(),
      () => this.#source?.close(),
      () => this.#tracing?.close(),
      () => this.#admin?.close(1000),
      () => this.#process.close(),
    ])
  }

  #makeServing(source: Source): Serving {
    const { heartbeatMs, limits, streams, createTopics, window, readBack } = this.#config
    const options: ServingOptions = {
      gateway: this.#id,
      version,
      heartbeatMs,
      limits,
      streams,
      createTopics,
      window: { payloadBytes: window.windowMiB * mib, indexBytes: window.indexMiB * mib },
      fill: { ageMs: window.fillAgeMs, budgetMs: window.fillBudgetMs },
      readBack: { ...readBack, cacheBytes: readBack.cacheMiB * mib },
      seed: randomBytes(4).readUInt32LE(),
    }
    return new Serving(options, {
      source,
      routing: this.#routing,
      clock: this.#clock,
      random: this.#random,
      logger: this.#logger,
      instruments: this.#instruments,
      defer: (task) => setImmediate(task),
    })
  }

  /** Traces where the OTEL_* variables ask for them; nothing of their SDK is loaded otherwise. */
  async #openTracing(source: Source): Promise<void> {
    const to = traceExport(process.env, (message) => this.#logger.log('warn', message))
    if (to === undefined) return
    const { Tracing } = await import('./telemetry/tracing.ts')
    const { traces, streams } = this.#config
    this.#logger.log('info', `sampled events are traced to ${to.endpoint}`, { protocol: to.protocol })
    this.#tracing = await Tracing.open({
      to,
      traces,
      service: 'carillon',
      instance: this.#id,
      version,
      broker: source.kind,
      topicOf: (stream) => streams[stream]!.topic,
      counts: this.#instruments.gateway.traceSpans,
      clock: this.#clock,
      logger: this.#logger,
    })
    for (const name of Object.keys(streams)) this.#instruments.stream(name).traces = this.#tracing.stream(name)
  }

  #makePublisher(source: Source, { feeds }: Serving): MeasuredPublisher {
    const { streams, limits } = this.#config
    const publisher = new Publisher({
      source,
      routing: this.#routing,
      stream: (name) => feeds.requireInfo(name),
      format: (name) => streams[name]!,
      maxEventBytes: limits.maxEventBytes,
    })
    return new MeasuredPublisher(publisher, this.#instruments.gateway, this.#clock, this.#tracing?.publishes)
  }

  #edgeOptions() {
    const { listen, tlsCert, tlsKey, allowOrigin, dev, heartbeatMs, limits } = this.#config
    return { ...edgeDefaults, ...limits, ...parseListen(listen), tlsCert, tlsKey, allowOrigin, dev, heartbeatMs }
  }

  #adminContracts(source: Source, serving: Serving): AdminContracts {
    const { gateway } = this.#instruments
    const collect = () => {
      Object.assign(gateway.refused, this.#edge?.counters.refused)
      return [...families(this.#instruments), ...this.#process.families()]
    }
    const text = prometheusText({ gateway: this.#id, version }, collect, this.#clock)
    return {
      gateway: this.#id,
      version,
      notReady: () => (this.#closing === undefined ? serving.feeds.notReady() : ['the gateway is going away']),
      metrics: () => ({ contentType: metricsContentType, text: text() }),
      status: () => ({
        uptimeMs: Math.round(this.#clock.monotonicMs() - this.#startedMs),
        broker: source.name,
        sessions: gateway.sessions,
        subscriptions: gateway.subscriptions,
        streams: serving.status(),
      }),
      rejected: () => ({ total: serving.rejected.total, records: serving.rejected.list() }),
      routes: () => this.#routing.rows(),
    }
  }
}
