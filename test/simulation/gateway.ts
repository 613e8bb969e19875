import { type Random, seededRandom } from '../../src/base/random.ts'
import { TimingWheel } from '../../src/base/wheel.ts'
import { EdgeContext } from '../../src/edge/context.ts'
import { Doorway } from '../../src/edge/doorway.ts'
import type { TemplatedApp } from '../../src/edge/listener.ts'
import { edgeDefaults } from '../../src/edge/options.ts'
import { pollPath, servePoll, servePollBody } from '../../src/edge/poll.ts'
import { Router } from '../../src/edge/router.ts'
import { serveSse, ssePath } from '../../src/edge/sse.ts'
import { serveWebSocket, websocketPath } from '../../src/edge/websocket.ts'
import { Feeds } from '../../src/fanout/feeds.ts'
import { RejectedRing } from '../../src/fanout/rejected.ts'
import { StreamFeed } from '../../src/fanout/stream-feed.ts'
import type { WindowOptions } from '../../src/log/window.ts'
import { slackBytes, WindowPool } from '../../src/log/window-pool.ts'
import type { RoutingTable } from '../../src/routing/table.ts'
import { AheadWatch } from '../../src/session/ahead.ts'
import { Sessions } from '../../src/session/host.ts'
import { sessionLimits } from '../../src/session/limits.ts'
import { Pump } from '../../src/session/pump.ts'
import { ReadBack } from '../../src/session/read-back.ts'
import { Instruments } from '../../src/telemetry/instruments.ts'
import type { Logger } from '../../src/telemetry/logger.ts'
import { type SimBroker, streamName } from './broker.ts'
import type { Connection, Request } from './connection.ts'
import type { SimulatedCluster, SimulatedSource } from './simulated-source.ts'
import { type Behavior, requestOf, SimResponse, SimServerSocket } from './uws.ts'
import type { Process, VirtualTime } from './virtual-time.ts'

/** How large a gateway is; small ones are met at their limits. */
export interface GatewaySize {
  /** The budgets of its windows' pool. */
  readonly payloadBytes: number
  readonly entries: number
  readonly chunkBytes: number
  /** Budgets of read-back; 0 = none. */
  readonly bytesPerSecond: number
  readonly maxBytesPerSession: number
  readonly fillAgeMs: number
  readonly maxSessions: number
  readonly maxWaitingFrames: number
  readonly lookPerSlice: number
  readonly maxPollFrames: number
  readonly maxBackpressureBytes: number
  readonly heartbeatMs: number
  /** Records in one answer of the broker. */
  readonly batch: number
}

export interface GatewaySurroundings {
  /** Its own, which another one may have after it. */
  readonly url: string
  readonly time: VirtualTime
  readonly broker: SimBroker
  readonly cluster: SimulatedCluster
  readonly routing: RoutingTable
  readonly seed: number
  /** Seed of the subject hash. */
  readonly hashSeed: number
  readonly size: GatewaySize
  /** A fault of the gateway's own. */
  readonly onError: (message: string) => void
}

const maxEventBytes = 1024
/** A slab of the windows, which are small enough to take slabs from each other: one of the largest events fits. */
const largestPayload = maxEventBytes + slackBytes
/** What a chunk of read-back holds. */
const chunkPayload = 4 * maxEventBytes
/** Chunks of read-back that are kept. */
const chunks = 4

/** One gateway process, of the real parts on a simulated host. */
export class SimGateway {
  readonly name: string
  readonly url: string
  readonly process: Process
  readonly source: SimulatedSource
  readonly feeds: Feeds
  readonly stream: StreamFeed
  readonly sessions: Sessions
  readonly instruments = new Instruments()
  readonly size: GatewaySize
  readonly hashSeed: number
  /** Clients are let in. */
  listening = false
  readonly #random: Random
  readonly #readBack: ReadBack
  readonly #edge: EdgeContext
  readonly #router: Router
  #behavior!: Behavior

  constructor(
    name: string,
    { url, time, broker, cluster, routing, seed, hashSeed, size, onError }: GatewaySurroundings,
  ) {
    this.name = name
    this.url = url
    this.size = size
    this.hashSeed = hashSeed
    this.#random = seededRandom(seed)
    this.process = time.process(name)
    this.source = cluster.open(this.process, seededRandom(seed + 1), size.batch)
    const { payloadBytes, entries } = size
    const { generations } = broker
    const slabs = { payloadSlabBytes: largestPayload, slabEntries: Math.ceil(entries / 8) }
    const budgets = { payloadBytes, entries, ...slabs, generations }
    const window = { pool: new WindowPool(budgets, () => this.process.monotonicMs()), seed: hashSeed }
    const logger = loggerOf(name, onError)
    this.feeds = new Feeds(routing, this.source)
    this.stream = this.#stream(routing, window, logger)
    this.feeds.streams.set(streamName, this.stream)
    const { chunkBytes, bytesPerSecond, maxBytesPerSession } = size
    const pump = this.#pump()
    this.#readBack = new ReadBack(
      { chunkBytes, chunks, concurrency: 2, bytesPerSecond, maxBytesPerSession },
      { payloadBytes: chunkPayload, payloadSlabBytes: chunkPayload, entries: 32, slabEntries: 32, generations },
      this.feeds,
      this.process,
      logger,
      pump,
    )
    this.sessions = this.#sessions(logger, pump)
    this.#edge = this.#makeEdge(onError)
    this.#router = this.#routes()
  }

  /** Lets clients in once the streams are there, or after a second, as the real one. */
  async start(): Promise<void> {
    await Promise.race([this.feeds.start(), new Promise<void>((resolve) => this.process.after(1000, resolve))])
    this.listening = true
  }

  accept(connection: Connection, request: Request): void {
    const res = new SimResponse(connection, request.body, (userData) => {
      const socket = new SimServerSocket(connection, userData, this.#behavior)
      this.#behavior.open(socket)
    })
    if (request.path === websocketPath) this.#behavior.upgrade(res.native, requestOf(request), undefined)
    else this.#router.handle(res.native, requestOf(request))
  }

  /** Ends it as a deployment does: clients are told, then it goes. */
  async drain(): Promise<void> {
    this.listening = false
    this.#edge.close()
    await this.sessions.drain()
    await this.feeds.close()
    this.#readBack.close()
    await this.source.close()
  }

  crash(): void {
    this.listening = false
    this.process.kill()
    void this.source.close()
  }

  #stream(routing: RoutingTable, window: WindowOptions, logger: Logger): StreamFeed {
    return new StreamFeed({
      name: streamName,
      topic: streamName,
      source: this.source,
      routing,
      window,
      maxEventBytes,
      fill: { ageMs: this.size.fillAgeMs, budgetMs: 800 },
      partitions: 1,
      creates: false,
      instruments: this.instruments.stream(streamName),
      rejected: new RejectedRing(),
      clock: this.process,
      logger,
      onRepartitioned: () => this.sessions.replaceAll(),
    })
  }

  #sessions(logger: Logger, pump: Pump): Sessions {
    const { maxSessions, maxWaitingFrames, lookPerSlice } = this.size
    const limits = { maxFrameBytes: 65_536, maxEventBytes, maxSubjectBytes: 255, maxSubscriptions: 100 }
    const { feeds, process: clock } = this
    return new Sessions(
      { maxSessions, welcome: { gateway: this.name, version: 'sim', heartbeatMs: 25_000, limits } },
      {
        feeds,
        readBack: this.#readBack,
        pump,
        ahead: new AheadWatch(feeds, clock),
        limits: { ...sessionLimits, maxWaitingFrames, lookPerSlice },
        instruments: this.instruments.gateway,
        clock,
        logger,
        seed: this.hashSeed,
      },
      this.#random,
    )
  }

  #makeEdge(onError: (message: string) => void): EdgeContext {
    const { maxPollFrames, maxBackpressureBytes, heartbeatMs } = this.size
    const options = { ...edgeDefaults, maxEventBytes, maxPollFrames, maxBackpressureBytes, heartbeatMs }
    const contracts = {
      sessions: this.sessions,
      publisher: { publish: () => Promise.reject(new Error('nobody publishes through a gateway here')) },
      clock: this.process,
      random: this.#random,
      log: (level: string, message: string, fields: Record<string, unknown>) => {
        if (level === 'error') onError(`${this.name}: ${message} ${String(fields.error)}`)
      },
    }
    return new EdgeContext(options, contracts, new TimingWheel(this.process, { tickMs: 32, slots: 256 }))
  }

  #pump(): Pump {
    return new Pump(
      (task) => this.process.after(0.05, task),
      () => this.process.monotonicMs(),
    )
  }

  #routes(): Router {
    const doorway = new Doorway(this.#edge, this.#pump())
    const app = {
      ws: (_path: string, behavior: Behavior) => {
        this.#behavior = behavior
      },
    }
    serveWebSocket(app as unknown as TemplatedApp, this.#edge, doorway)
    return new Router(this.#edge, [
      { path: ssePath, methods: { GET: serveSse(this.#edge, doorway) } },
      { path: pollPath, methods: { GET: servePoll(this.#edge, doorway), POST: servePollBody(this.#edge, doorway) } },
    ])
  }
}

/** A gateway that logs an error has a fault: clients and brokers of any kind can't bring one about. */
function loggerOf(name: string, onError: (message: string) => void): Logger {
  return {
    log: (level, message, fields) => {
      if (level === 'error') onError(`${name}: ${message} ${stackOf(fields?.error)}`)
    },
    every: () => {},
  }
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : '')
