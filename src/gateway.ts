import { randomBytes, randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { AdminContracts, StreamStatus } from './admin/contracts.ts'
import { type Admin, adminDefaults, openAdmin } from './admin/server.ts'
import { type LoopClock, loopClock } from './base/clock.ts'
import { closeAll } from './base/close-all.ts'
import { toCarillonError } from './base/errors.ts'
import { type Random, systemRandom } from './base/random.ts'
import { type Config, parseListen } from './config.ts'
import type { EventPublisher } from './edge/context.ts'
import { type Edge, startEdge } from './edge/edge.ts'
import { edgeDefaults } from './edge/options.ts'
import { Feeds } from './fanout/feeds.ts'
import type { PartitionFeed } from './fanout/partition-feed.ts'
import { RejectedRing } from './fanout/rejected.ts'
import { StreamFeed } from './fanout/stream-feed.ts'
import { bytesPerEntry } from './log/entry-arena.ts'
import { payloadSlabBytes, slabEntries, WindowPool } from './log/window-pool.ts'
import { Publisher } from './publish/publisher.ts'
import { RoutingTable } from './routing/table.ts'
import { AheadWatch } from './session/ahead.ts'
import { Sessions } from './session/host.ts'
import { sessionLimits } from './session/limits.ts'
import { Pump } from './session/pump.ts'
import { ReadBack } from './session/read-back.ts'
import { openSource } from './source/open.ts'
import type { Source } from './source/source.ts'
import { maxSubjectBytes } from './subject/subject.ts'
import { families } from './telemetry/families.ts'
import { Instruments, type PartitionFigures, type StreamFigures } from './telemetry/instruments.ts'
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
/** Clients are let in once the streams are there; where the broker keeps them waiting, after this long, ms. */
const firstClientMs = 1000

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
  readonly #rejected = new RejectedRing()
  readonly #routing: RoutingTable
  #source: Source | undefined
  #feeds: Feeds | undefined
  #sessions: Sessions | undefined
  #readBack: ReadBack | undefined
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
    this.#tracing = await this.#openTracing(source)
    const seed = randomBytes(4).readUInt32LE()
    const feeds = this.#makeFeeds(source, seed)
    this.#feeds = feeds
    const sessions = this.#makeSessions(feeds, source, seed)
    this.#sessions = sessions
    this.#admin = await openAdmin(
      { ...adminDefaults, ...parseListen(this.#config.admin) },
      this.#adminContracts(source, feeds),
    )
    this.admin = this.#admin.url
    await Promise.race([feeds.start(), new Promise<void>((resolve) => this.#clock.after(firstClientMs, resolve))])
    this.#edge = await startEdge(this.#edgeOptions(), {
      sessions,
      publisher: this.#makePublisher(source, feeds),
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
      () => this.#sessions?.drain(),
      () => this.#edge?.close(this.#config.drainMs),
      () => this.#feeds?.close(),
      () => this.#readBack?.close(),
      () => this.#source?.close(),
      () => this.#tracing?.close(),
      () => this.#admin?.close(1000),
      () => this.#process.close(),
    ])
  }

  /** The memory of all windows. */
  #makePool({ generations }: Source): WindowPool {
    const { windowMiB, indexMiB } = this.#config.window
    const options = {
      payloadBytes: windowMiB * mib,
      payloadSlabBytes: payloadSlabBytes(this.#config.limits.maxEventBytes),
      entries: Math.floor((indexMiB * mib) / bytesPerEntry(generations)),
      slabEntries,
      generations,
    }
    const pool = new WindowPool(options, () => this.#clock.monotonicMs())
    this.#instruments.observePool = () => pool.figures()
    return pool
  }

  #makeFeeds(source: Source, seed: number): Feeds {
    const feeds = new Feeds(this.#routing, source)
    const { fillAgeMs, fillBudgetMs } = this.#config.window
    const pool = this.#makePool(source)
    for (const [name, { topic, partitions, ...format }] of Object.entries(this.#config.streams)) {
      const feed = new StreamFeed({
        name,
        topic,
        format,
        source,
        routing: this.#routing,
        window: { pool, seed },
        fill: { ageMs: fillAgeMs, budgetMs: fillBudgetMs },
        maxEventBytes: this.#config.limits.maxEventBytes,
        partitions,
        creates: this.#config.createTopics || source.kind === 'embedded',
        instruments: this.#instruments.stream(name),
        rejected: this.#rejected,
        clock: this.#clock,
        logger: this.#logger,
        onRepartitioned: () => this.#sessions?.replaceAll(),
      })
      this.#instruments.stream(name).observe = () => figures(feed, this.#clock.nowUs() / 1000)
      this.#instruments.stream(name).traces = this.#tracing?.stream(name)
      feeds.streams.set(name, feed)
    }
    return feeds
  }

  #makeSessions(feeds: Feeds, { generations }: Source, seed: number): Sessions {
    const { limits, readBack, heartbeatMs } = this.#config
    const { maxFrameBytes, maxEventBytes, maxSubscriptions, maxSessions } = limits
    const chunkBytes = Math.max(readBack.chunkBytes, maxEventBytes)
    const entries = 2 ** Math.ceil(Math.log2(Math.max(1024, chunkBytes / 128)))
    // Values of 100 bytes and more fill it; of shorter ones, which need more room beside their bytes, a read is cut short.
    const payloadBytes = Math.ceil(1.25 * chunkBytes) + mib / 16
    const chunkPool = { payloadBytes, payloadSlabBytes: payloadBytes, entries, slabEntries: entries, generations }
    const chunks = Math.max(2, Math.floor((readBack.cacheMiB * mib) / payloadBytes))
    const pump = new Pump(
      (task) => setImmediate(task),
      () => this.#clock.monotonicMs(),
    )
    this.#readBack = new ReadBack(
      { ...readBack, chunkBytes, chunks },
      chunkPool,
      feeds,
      this.#clock,
      this.#logger,
      pump,
    )
    const welcome = {
      gateway: this.#id,
      version,
      heartbeatMs,
      limits: { maxFrameBytes, maxEventBytes, maxSubjectBytes, maxSubscriptions },
    }
    return new Sessions(
      { maxSessions, welcome },
      {
        feeds,
        readBack: this.#readBack,
        pump,
        ahead: new AheadWatch(feeds, this.#clock),
        limits: { ...sessionLimits, maxSubscriptions },
        instruments: this.#instruments.gateway,
        clock: this.#clock,
        logger: this.#logger,
        seed,
      },
      this.#random,
    )
  }

  /** Traces where the OTEL_* variables ask for them; nothing of their SDK is loaded otherwise. */
  async #openTracing(source: Source): Promise<Tracing | undefined> {
    const to = traceExport(process.env, (message) => this.#logger.log('warn', message))
    if (to === undefined) return undefined
    const { Tracing } = await import('./telemetry/tracing.ts')
    const { traces, streams } = this.#config
    this.#logger.log('info', `sampled events are traced to ${to.endpoint}`, { protocol: to.protocol })
    return Tracing.open({
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
  }

  /** Counts and traces what is published for clients. */
  #makePublisher(source: Source, feeds: Feeds): EventPublisher {
    const stream = (name: string) => feeds.requireInfo(name)
    const { maxEventBytes } = this.#config.limits
    const format = (name: string) => this.#config.streams[name]!
    const publisher = new Publisher({ source, routing: this.#routing, stream, format, maxEventBytes })
    const { gateway } = this.#instruments
    return {
      publish: async (events, options) => {
        const startedUs = this.#clock.nowUs()
        const span = this.#tracing?.publishes.continue(options.traceparent)
        try {
          const results = await publisher.publish(events, span ?? options)
          gateway.published += events.length
          gateway.publishToAck.record(this.#clock.nowUs() - startedUs)
          span?.acknowledged(results)
          return results
        } catch (error) {
          const { code, message } = toCarillonError(error)
          gateway.publishFailed[code]++
          span?.failed(code, message)
          throw error
        }
      },
    }
  }

  #edgeOptions() {
    const { listen, tlsCert, tlsKey, allowOrigin, dev, heartbeatMs, limits } = this.#config
    return { ...edgeDefaults, ...limits, ...parseListen(listen), tlsCert, tlsKey, allowOrigin, dev, heartbeatMs }
  }

  #adminContracts(source: Source, feeds: Feeds): AdminContracts {
    const { gateway } = this.#instruments
    const collect = () => {
      Object.assign(gateway.refused, this.#edge?.counters.refused)
      return [...families(this.#instruments), ...this.#process.families()]
    }
    const text = prometheusText({ gateway: this.#id, version }, collect, this.#clock)
    return {
      gateway: this.#id,
      version,
      notReady: () => (this.#closing === undefined ? feeds.notReady() : ['the gateway is going away']),
      metrics: () => ({ contentType: metricsContentType, text: text() }),
      status: () => ({
        uptimeMs: Math.round(this.#clock.monotonicMs() - this.#startedMs),
        broker: source.name,
        sessions: gateway.sessions,
        subscriptions: gateway.subscriptions,
        streams: [...feeds.streams.values()].map((feed) => streamStatus(feed, this.#clock.nowUs() / 1000)),
      }),
      rejected: () => ({ total: this.#rejected.total, records: this.#rejected.list() }),
      routes: () => this.#routing.rows(),
    }
  }
}

function figures(feed: StreamFeed, nowMs: number): StreamFigures {
  const partitions = feed.partitions.map((each) => figuresOf(each, nowMs))
  return { state: feed.condition, partitions }
}

function figuresOf(feed: PartitionFeed, nowMs: number): PartitionFigures {
  const { partition, first, brokerHead, window, hub } = feed
  return {
    partition,
    first,
    head: Math.max(brokerHead, window.head),
    read: window.head,
    unreadAgeMs: feed.unreadAgeMs(nowMs),
    windowTail: window.tail,
    tiers: {
      payload: { records: window.size, bytes: window.usedBytes, ageMs: ageMs(window.oldestMs, nowMs) },
      index: { records: window.indexed, bytes: window.indexBytes, ageMs: ageMs(window.indexOldestMs, nowMs) },
    },
    subscriptions: hub.size,
  }
}

const ageMs = (timeMs: number | undefined, nowMs: number) =>
  timeMs === undefined ? undefined : Math.max(0, nowMs - timeMs)

function streamStatus(feed: StreamFeed, nowMs: number): StreamStatus {
  const { state, partitions } = figures(feed, nowMs)
  const incarnation = feed.info?.incarnation
  return { name: feed.name, topic: feed.topic, state, detail: feed.detail, incarnation, partitions }
}
