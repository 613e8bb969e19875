import { type Random, seededRandom } from '../../src/base/random.ts'
import type { RouteConfig } from '../../src/routing/options.ts'
import { RoutingTable } from '../../src/routing/table.ts'
import { isSameLog, type Log, type Position } from '../../src/wire/token.ts'
import { SimBroker } from './broker.ts'
import { SimBrowser } from './browser.ts'
import { type ClientPlan, SimClient, type TrackedSubscription } from './client.ts'
import { makeCluster } from './clusters.ts'
import { type ClientEnd, Connection, type Request } from './connection.ts'
import { SimGateway } from './gateway.ts'
import { DirectOwner } from './log-owner.ts'
import { clusterOf } from './many-streams.ts'
import { anyUrl, gatewayUrls, type Plan } from './plan.ts'
import type { Network } from './platform.ts'
import { Publishers } from './publisher.ts'
import type { SimulatedCluster } from './simulated-source.ts'
import { type SimStream, type StreamPlan, simStream } from './streams.ts'
import { Truth } from './truth.ts'
import { Verdict, type Wanted } from './verdict.ts'
import { type Process, VirtualTime } from './virtual-time.ts'
import type { GatewayKnowledge } from './witness.ts'

/** How a client's network is at the moment. */
export interface Reach {
  capacity: number
  slowMs: number
  stalled: boolean
  /** Path of the requests that a proxy does not let through. */
  blocked: string
}

/** How soon a gateway that finds its log open elsewhere tries again, ms. */
const takenMs = 200

const freeReach: Omit<Reach, 'capacity'> = { slowMs: 0, stalled: false, blocked: '' }

/** A cluster and its clients, and the network between them. */
export class World implements Network {
  readonly plan: Plan
  readonly time = new VirtualTime()
  readonly verdict: Verdict
  readonly random: Random
  /** Where what happens to the cluster takes its time. */
  readonly outside: Process
  readonly streams: readonly SimStream[]
  readonly cluster: SimulatedCluster
  readonly gateways: SimGateway[] = []
  readonly clients: SimClient[] = []
  readonly connections = new Map<Process, Set<Connection>>()
  readonly reach = new Map<Process, Reach>()
  readonly #routing: RoutingTable
  /** Each ends at once what else passes by itself. */
  readonly #passing = new Set<() => void>()
  readonly #browsers = new Map<
    number,
    { readonly browser: SimBrowser; readonly followed: Map<string, TrackedSubscription> }
  >()
  #gatewaysMade = 0
  #clientsMade = 0

  constructor(plan: Plan, wanted: Wanted) {
    this.plan = plan
    const { time } = this
    this.verdict = new Verdict(
      () => time.nowMs,
      () => {
        time.stopped = true
      },
      wanted,
    )
    this.random = seededRandom(plan.seed ^ 0x5bd1e995)
    this.#routing = new RoutingTable(plan.streams.flatMap(routesOf))
    const clusters = new Map<string, SimulatedCluster>()
    this.streams = plan.streams.map((stream, i) => this.#stream(stream, i, clusters))
    this.outside = this.streams[0]!.broker.process
    this.cluster = clusterOf(clusters)
  }

  #stream(
    { name, partitions, format, by }: StreamPlan,
    index: number,
    clusters: Map<string, SimulatedCluster>,
  ): SimStream {
    const { time, plan, verdict } = this
    const broker = new SimBroker(time, partitions, plan.generations, name)
    const routing = this.#routing
    const carried = new Map<string, boolean>()
    const carries = (pattern: string) => {
      const known = carried.get(pattern)
      if (known !== undefined) return known
      const found = routing.partitionsFor(pattern, () => 1).some((place) => place.stream === name)
      carried.set(pattern, found)
      return found
    }
    const truth = new Truth(broker, carries, by)
    const seed = (plan.seed ^ 0x2545f491) + index
    const crash = (process: Process) => this.#crashWhere(process)
    const cluster = makeCluster(plan.source, { time, broker, truth, verdict, seed, crash })
    clusters.set(name, cluster)
    const owner = cluster.owner ?? new DirectOwner(time, broker, truth, verdict)
    const random = seededRandom((plan.seed ^ 0x1b873593) + index)
    const publishers = new Publishers({ time, broker, owner }, random, { ttlShare: plan.ttlShare, format, by })
    return simStream({ name, format, broker, truth, owner, publishers })
  }

  /** The stream that a subject belongs to. */
  streamFor(subject: string): SimStream {
    return this.streams.find(({ truth }) => truth.carries(subject))!
  }

  /** A record in the stream that the routes name; undefined while there is none. */
  publish(subject: string, transaction?: number) {
    return this.streamFor(subject).publishers.publish(subject, transaction)
  }

  /** Something goes on until `end`: for so long, or until all heals. */
  passes(process: Process, afterMs: number, end: () => void): void {
    const cancel = process.after(afterMs, () => {
      this.#passing.delete(endNow)
      end()
    })
    const endNow = () => {
      cancel()
      process.after(0, end)
    }
    this.#passing.add(endNow)
  }

  endAllPassing(): void {
    for (const endNow of this.#passing) endNow()
    this.#passing.clear()
  }

  startGateway(): void {
    const { time, cluster, plan, verdict } = this
    if (cluster.isTaken === true) {
      // Whoever finds another one at work in its place is not needed.
      const again = () => this.gateways.length < plan.gateways && this.startGateway()
      time.add(this.outside, takenMs, again)
      return
    }
    const name = `gateway ${++this.#gatewaysMade}`
    const url = gatewayUrls.find((each) => !this.gateways.some((other) => other.url === each)) ?? anyUrl
    const surroundings = {
      url,
      time,
      cluster,
      routing: this.#routing,
      streams: Object.fromEntries(
        plan.streams.map(({ name, partitions, format }) => [name, { topic: name, partitions, format }]),
      ),
      seed: Math.floor(this.random.next() * 2 ** 31),
      hashSeed: plan.hashSeed,
      size: plan.size,
      onError: (message: string) => verdict.broken('fault', message),
    }
    const gateway = new SimGateway(name, surroundings)
    this.gateways.push(gateway)
    gateway.process.after(0, () => void gateway.start())
  }

  /** Ends it as a kill does, its host's where `isHost`; another one takes its place. */
  crash(gateway: SimGateway, isHost: boolean, afterMs: number): void {
    gateway.crash()
    for (const connection of this.connectionsOf(gateway.process)) {
      if (isHost) connection.halfOpen()
      else connection.cut()
    }
    this.replace(gateway, afterMs)
  }

  replace(gateway: SimGateway, afterMs: number): void {
    this.endGateway(gateway)
    this.time.add(this.outside, afterMs, () => this.startGateway())
  }

  #crashWhere(process: Process): void {
    const gateway = this.gateways.find((each) => each.process === process)
    if (gateway === undefined) return
    this.verdict.note(() => `${gateway.name} is killed`)
    this.crash(gateway, false, this.random.next() * 1500)
  }

  /** Its place is free. */
  endGateway(gateway: SimGateway): void {
    this.gateways.splice(this.gateways.indexOf(gateway), 1)
  }

  addClient(plan: ClientPlan): SimClient {
    const { time, streams, verdict, random } = this
    const name = `client ${++this.#clientsMade} (${plan.ways.join(', ')})`
    const process = time.process(name)
    const own = seededRandom(Math.floor(random.next() * 2 ** 31))
    const { browser, followed } = this.#browserOf(plan)
    const client = new SimClient(plan, { name, process, random: own, streams, verdict, browser, followed })
    this.clients.push(client)
    this.reach.set(process, { ...freeReach, capacity: this.plan.capacity })
    process.after(random.next() * 2000, () => client.start())
    return client
  }

  #browserOf({ browser: number }: ClientPlan) {
    const known = number === undefined ? undefined : this.#browsers.get(number)
    if (known !== undefined) return known
    const followed = new Map<string, TrackedSubscription>()
    if (number === undefined) return { browser: undefined, followed }
    const browser = new SimBrowser(this.time, seededRandom(this.plan.seed ^ 0x85ebca6b))
    this.#browsers.set(number, { browser, followed })
    return { browser, followed }
  }

  // Network

  connect(url: URL, request: Request, end: ClientEnd): Connection | undefined {
    const { time } = this
    const client = time.running!
    const gateway = this.#gatewayAt(url)
    const latencyMs = 0.5 + this.random.next() * 20
    const reach = this.reach.get(client) ?? { ...freeReach, capacity: this.plan.capacity }
    if (gateway === undefined || reach.blocked === url.pathname) {
      time.add(client, latencyMs, () => end.lost())
      return undefined
    }
    const all = this.connections.get(client) ?? new Set()
    this.connections.set(client, all)
    const { capacity } = reach
    const connection: Connection = new Connection(
      time,
      { client, gateway: gateway.process },
      { latencyMs, capacity },
      () => all.delete(connection),
    )
    connection.down.slowMs = reach.slowMs
    connection.down.stalled = reach.stalled
    connection.clientEnd = end
    all.add(connection)
    this.clients.find(({ process }) => process === client)?.reached(url, this.#knowledgeOf(gateway))
    this.verdict.note(() => `${client.name} is connected to ${gateway.name}`)
    connection.request(() => {
      if (gateway.listening) gateway.accept(connection, request)
      else connection.abort()
    })
    return connection
  }

  #knowledgeOf(gateway: SimGateway): GatewayKnowledge {
    const memory = (log: Log, partition: number) =>
      gateway.partitions.find((each) => isSameLog(each, log) && each.partition === partition)?.window
    const head = (position: Position) => memory(position, position.partition)?.head ?? Number.POSITIVE_INFINITY
    return {
      reading: (position) => gateway.reading(position),
      head,
      memory,
      maxBytesPerSession: this.plan.size.maxBytesPerSession,
      maxAgeMs: this.plan.size.maxAgeMs,
      clockMs: () => gateway.process.clockMs,
    }
  }

  /** Any that listens behind the balancer's name, one that has the name of its own else. */
  #gatewayAt({ host }: URL): SimGateway | undefined {
    const open = this.gateways.filter(
      ({ listening, url }) => listening && (hostOf(anyUrl) === host || hostOf(url) === host),
    )
    return open[Math.floor(this.random.next() * open.length)]
  }

  /** All connections of a client, or to a gateway. */
  connectionsOf(process: Process): Connection[] {
    if (this.reach.has(process)) return [...(this.connections.get(process) ?? [])]
    return [...this.connections.values()].flatMap((all) => [...all].filter(({ gateway }) => gateway === process))
  }
}

const routesOf = ({ name, subjects, by }: StreamPlan): RouteConfig[] =>
  subjects.map((pattern) => ({ subjects: pattern, stream: name, by }))

const hostOf = (url: string): string => url.slice('http://'.length)
