import type { LoopClock } from '../../src/base/clock.ts'
import { unknownGeneration } from '../../src/base/generation.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { TimingWheel } from '../../src/base/wheel.ts'
import { AdmissionQueue } from '../../src/edge/admission-queue.ts'
import { EdgeContext } from '../../src/edge/context.ts'
import type { TemplatedApp } from '../../src/edge/listener.ts'
import { edgeDefaults } from '../../src/edge/options.ts'
import { pollPath, servePoll, servePollBody } from '../../src/edge/poll.ts'
import { Router } from '../../src/edge/router.ts'
import { serveSse, ssePath } from '../../src/edge/sse.ts'
import { serveWebSocket, websocketPath } from '../../src/edge/websocket.ts'
import type { Feeds } from '../../src/fanout/feeds.ts'
import type { PartitionFeed } from '../../src/fanout/partition-feed.ts'
import type { StreamFeed } from '../../src/fanout/stream-feed.ts'
import { allowAll } from '../../src/identity/grant.ts'
import type { RoutingTable } from '../../src/routing/table.ts'
import type { ServedStream, ServingOptions } from '../../src/serving/options.ts'
import { Serving } from '../../src/serving/serving.ts'
import { Pump } from '../../src/session/pump.ts'
import type { Sessions } from '../../src/session/sessions.ts'
import { Instruments } from '../../src/telemetry/instruments.ts'
import type { Logger } from '../../src/telemetry/logger.ts'
import { isSameLog, keyOf, logOf, type Position } from '../../src/wire/token.ts'
import type { Connection, Request } from './connection.ts'
import { type GatewaySize, maxEventBytes, servingSize } from './gateway-size.ts'
import type { SimulatedCluster, SimulatedSource } from './simulated-source.ts'
import { type Behavior, requestOf, SimResponse, SimServerSocket } from './uws.ts'
import type { Process, VirtualTime } from './virtual-time.ts'
import type { Reading } from './witness.ts'

export interface GatewaySurroundings {
  /** The gateway's URL. A later gateway may reuse it. */
  readonly url: string
  readonly time: VirtualTime
  readonly cluster: SimulatedCluster
  readonly routing: RoutingTable
  /** Streams by their names in the routes. */
  readonly streams: Readonly<Record<string, ServedStream>>
  readonly seed: number
  /** Seed of the subject hash function. */
  readonly hashSeed: number
  readonly size: GatewaySize
  /** Called when the gateway logs an error of its own. */
  readonly onError: (message: string) => void
}

/** Reading of another incarnation or an added partition: the tail reaches it by itself. */
const fromItsBeginning: Reading = { sinceMs: Number.NEGATIVE_INFINITY, from: 0 }

/**
 * Delay of work that the gateway deferred, virtual ms. Without it, the gateway could do any
 * amount of work in no time.
 */
const turnMs = 0.05

const slowTurns = (process: Process): LoopClock => ({
  nowUs: () => process.nowUs(),
  monotonicMs: () => process.monotonicMs(),
  after: (ms, task) => process.after(ms, task),
  turn: (task) => void process.after(turnMs, task),
})

/** One gateway process: the real parts on a simulated host. */
export class SimGateway {
  readonly name: string
  readonly url: string
  readonly process: Process
  readonly source: SimulatedSource
  readonly feeds: Feeds
  readonly sessions: Sessions
  readonly instruments = new Instruments()
  readonly size: GatewaySize
  readonly hashSeed: number
  /** Readings of each partition whose tail had a given start, by `keyOf` of the position. */
  readonly #readings = new Map<string, Reading>()
  /** true = the gateway accepts clients. */
  listening = false
  readonly #random: Random
  readonly #serving: Serving
  readonly #edge: EdgeContext
  readonly #router: Router
  #behavior!: Behavior
  readonly #clock: LoopClock

  constructor(name: string, surroundings: GatewaySurroundings) {
    const { url, time, cluster, routing, streams, seed, hashSeed, size, onError } = surroundings
    this.name = name
    this.url = url
    this.size = size
    this.hashSeed = hashSeed
    this.#random = seededRandom(seed)
    this.process = time.process(name)
    this.#clock = slowTurns(this.process)
    this.source = cluster.open(this.process, seededRandom(seed + 1), size.batch)
    this.#noteTails(time)
    const options: ServingOptions = {
      gateway: name,
      version: 'sim',
      heartbeatMs: size.heartbeatMs,
      streams,
      createTopics: false,
      seed: hashSeed,
      ...servingSize(size, this.source.generations),
    }
    this.#serving = new Serving(options, {
      source: this.source,
      routing,
      clock: this.#clock,
      random: this.#random,
      logger: loggerOf(name, onError),
      instruments: this.instruments,
    })
    const { feeds, sessions } = this.#serving
    this.feeds = feeds
    this.sessions = sessions
    this.#edge = this.#makeEdge(onError)
    this.#router = this.#routes()
  }

  get streams(): StreamFeed[] {
    return [...this.feeds.streams.values()]
  }

  /** Partitions of all streams. */
  get partitions(): PartitionFeed[] {
    return this.streams.flatMap(({ partitions }) => partitions)
  }

  /** Starts the gateway. Accepts clients at the same point as the real one. */
  async start(): Promise<void> {
    await this.#serving.start()
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

  /** Ends the gateway as a deployment does: notifies clients, then stops. */
  async drain(): Promise<void> {
    this.listening = false
    this.#edge.close()
    await this.#serving.drain()
    await this.#serving.close()
    await this.source.close()
  }

  crash(): void {
    this.listening = false
    this.process.kill()
    void this.source.close()
  }

  /**
   * Returns the time and the offset from which the gateway reads the log of a position; undefined
   * = it does not read it.
   */
  reading(position: Position): Reading | undefined {
    const noted = this.#readings.get(keyOf(position))
    if (noted !== undefined) return noted
    const isRead = this.partitions.some((feed) => isSameLog(feed, position) && feed.partition === position.partition)
    return isRead ? fromItsBeginning : undefined
  }

  /**
   * Records new tails: a stream may appear long after clients are accepted, and a partition is
   * read again when a client needs it.
   */
  #noteTails(time: VirtualTime): void {
    const { source } = this
    const tail = source.tail.bind(source)
    const note = (name: string, incarnation: string, partition: number, offset: number) => {
      const key = keyOf({ ...logOf(name, incarnation), partition, offset, generation: unknownGeneration })
      const { sinceMs, from } = this.#readings.get(key) ?? { sinceMs: time.nowMs, from: offset }
      this.#readings.set(key, { sinceMs, from: Math.max(from, offset) })
    }
    source.tail = (stream, heads, sink) => {
      heads.forEach((head, partition) => {
        if (head !== undefined) note(stream.name, stream.incarnation, partition, head)
      })
      const made = tail(stream, heads, sink)
      const add = made.add.bind(made)
      made.add = (partition, from) => {
        const { incarnation } = this.feeds.streams.get(stream.name)?.info ?? stream
        if (from !== undefined) note(stream.name, incarnation, partition, from)
        add(partition, from)
      }
      return made
    }
  }

  #makeEdge(onError: (message: string) => void): EdgeContext {
    const { maxPollFrames, maxBackpressureBytes, heartbeatMs } = this.size
    const options = { ...edgeDefaults, maxEventBytes, maxPollFrames, maxBackpressureBytes, heartbeatMs }
    const contracts = {
      sessions: this.sessions,
      publisher: { publish: () => Promise.reject(new Error('nobody publishes through a gateway here')) },
      identify: () => allowAll,
      clock: this.process,
      random: this.#random,
      logger: loggerOf(this.name, onError),
      refusals: this.instruments.gateway.refusals,
      descriptors: { forClients: Number.POSITIVE_INFINITY, canOpen: () => true },
      whenKnown: () => () => {},
    }
    return new EdgeContext(options, contracts, new TimingWheel(this.process, { tickMs: 32, slots: 256 }))
  }

  #routes(): Router {
    const pump = new Pump(this.#clock)
    const doorway = new AdmissionQueue(this.#edge, pump)
    const app = {
      ws: (_path: string, behavior: Behavior) => {
        this.#behavior = behavior
      },
    }
    serveWebSocket(app as unknown as TemplatedApp, this.#edge, doorway)
    return new Router(this.#edge, doorway, [
      { path: ssePath, methods: { GET: serveSse(this.#edge, doorway) } },
      { path: pollPath, methods: { GET: servePoll(this.#edge, doorway), POST: servePollBody(this.#edge, doorway) } },
    ])
  }
}

/**
 * Returns a logger that reports errors as faults: no client or broker can cause a gateway to log
 * an error.
 */
function loggerOf(name: string, onError: (message: string) => void): Logger {
  const log: Logger['log'] = (level, message, fields) => {
    if (level === 'error') onError(`${name}: ${message} ${stackOf(fields?.error)}`)
  }
  return { log, every: (_limit, ...line) => log(...line) }
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : '')
