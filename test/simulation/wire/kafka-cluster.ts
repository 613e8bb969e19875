import type { Random } from '../../../src/base/random.ts'
import { seededRandom } from '../../../src/base/random.ts'
import type { Incarnation, MetadataWatcher, SimBroker } from '../broker.ts'
import type { LogOwner } from '../log-owner.ts'
import type { PartitionLog } from '../partition-log.ts'
import type { BrokerFault, ClusterSurroundings, SimulatedCluster, SimulatedSource } from '../simulated-source.ts'
import type { Process, VirtualTime } from '../virtual-time.ts'
import type { Leader } from './kafka-answers.ts'
import { type FaultyCluster, faults } from './kafka-faults.ts'
import { KafkaLog } from './kafka-log.ts'
import { type ClusterImage, KafkaNode, type NodeHost, placeKey } from './kafka-node.ts'
import { type Hindrance, KafkaPublishing } from './kafka-publishing.ts'
import { SimKafkaSource } from './kafka-source.ts'

const nodeCount = 3
/** Time until news from the controller reaches a node, ms, at most. */
const newsMs = 150

/** The judges of written records. */
type Judges = Pick<ClusterSurroundings, 'truth' | 'verdict'>

/** A limit on the high watermark of a new leader: `high` until `untilMs`. */
interface Lag {
  readonly high: number
  readonly untilMs: number
}

/**
 * Brokers over the logs of the history: several nodes, each with its own view of the leaders, and
 * a controller that moves leaders. A former leader answers as before until it hears of its
 * successor.
 */
export class KafkaCluster implements SimulatedCluster, NodeHost, MetadataWatcher, FaultyCluster {
  readonly time: VirtualTime
  readonly broker: SimBroker
  readonly random: Random
  readonly nodes: readonly KafkaNode[]
  sweeps = 0
  readonly #logs = new Map<PartitionLog, KafkaLog>()
  readonly #lags = new Map<KafkaLog, Lag>()
  readonly #sources = new Set<SimKafkaSource>()
  /** Undefined if no gateway publishes in this history. */
  readonly #publishing: KafkaPublishing | undefined
  #image: ClusterImage
  #producers = 1000

  constructor(time: VirtualTime, broker: SimBroker, seed: number, judges?: Judges) {
    this.time = time
    this.broker = broker
    broker.forgetsRewrites = true
    this.random = seededRandom(seed)
    const first = { version: 0, alive: [1, 2, 3], incarnation: undefined, leaders: [] }
    this.nodes = Array.from({ length: nodeCount }, (_, i) => new KafkaNode(i + 1, first, this))
    this.#image = this.#next(first)
    for (const node of this.nodes) node.learn(this.#image)
    broker.watchers.add(this)
    this.#publishing = judges && KafkaPublishing.draw(seed, { time, broker, ...judges }, this.#sources)
  }

  // MetadataWatcher: the controller learns everything immediately.

  get partitions(): number {
    return this.broker.partitions
  }

  get incarnation(): string {
    return this.broker.current.id
  }

  metadataChanged(): void {
    this.publish()
  }

  // SimulatedCluster

  open(process: Process, random: Random, batch: number): SimulatedSource {
    const { time, broker, nodes } = this
    const publishing = this.#publishing?.options
    const source = new SimKafkaSource({ time, broker, nodes, process, random, batch, publishing })
    this.#sources.add(source)
    return source
  }

  fault({ x, y, z }: BrokerFault): string {
    this.look()
    return faults[Math.floor(x * faults.length)]!(this, y, z)
  }

  heal(): void {
    this.sweeps = 0
    this.#publishing?.heal()
    this.#lags.clear()
    for (const node of this.nodes) {
      node.slowMs = 0
      node.throttledUntilMs = 0
      node.failing = undefined
      this.revive(node)
      this.hear(node)
    }
    this.publish()
  }

  get owner(): LogOwner | undefined {
    return this.#publishing?.owner
  }

  unfinished(): string | undefined {
    return this.#publishing?.published.unfinished()
  }

  // NodeHost

  get nowMs(): number {
    return this.time.nowMs
  }

  look(): void {
    const { incarnation, leaders } = this.#image
    if (incarnation === undefined) return
    if (incarnation.logs.some((log, partition) => log.epoch !== leaders[partition]?.epoch)) this.publish()
  }

  log(incarnation: Incarnation, partition: number): KafkaLog {
    const log = incarnation.logs[partition]!
    let known = this.#logs.get(log)
    if (known === undefined) {
      known = new KafkaLog(log, this.random)
      this.#logs.set(log, known)
    }
    return known
  }

  shownUpTo(log: KafkaLog): number | undefined {
    const lag = this.#lags.get(log)
    return lag !== undefined && this.nowMs < lag.untilMs ? lag.high : undefined
  }

  wasRead({ log }: KafkaLog): void {
    if (this.sweeps === 0) return
    this.sweeps--
    log.retain(log.first + Math.ceil(this.random.next() * (log.head - log.first)), this.nowMs)
  }

  isLed(node: KafkaNode, incarnation: Incarnation, partition: number): boolean {
    return this.#image.incarnation === incarnation && this.#image.leaders[partition]?.node === node.id
  }

  hindrance(bytes: number): Hindrance | undefined {
    return this.#publishing?.hindrance(bytes)
  }

  append(log: KafkaLog, batch: Buffer): number {
    return this.#publishing!.append(log.log, batch)
  }

  newProducerId(): number {
    return ++this.#producers
  }

  soon(task: () => void): void {
    this.time.add(this.broker.process, 0, task)
  }

  after(ms: number, task: () => void): () => void {
    return this.broker.process.after(ms, task)
  }

  chance(): number {
    return this.random.next()
  }

  // The controller

  move(partition: number, to = this.#elect(this.#image.leaders[partition]?.node ?? -1)): void {
    this.look()
    const { incarnation } = this.#image
    if (incarnation?.logs[partition] === undefined) return
    const log = this.log(incarnation, partition)
    // Captures the log of the former leader.
    void log.image
    log.log.elect()
    this.publish((p) => (p === partition ? to : undefined))
  }

  moveFrom(node: KafkaNode): void {
    for (const [partition, leader] of this.#image.leaders.entries()) if (leader.node === node.id) this.move(partition)
  }

  lag(partition: number, high: number, ms: number): void {
    const { incarnation } = this.#image
    if (incarnation?.logs[partition] === undefined) return
    this.#lags.set(this.log(incarnation, partition), { high, untilMs: this.nowMs + ms })
  }

  leaderOf(partition: number): KafkaNode | undefined {
    const id = this.#image.leaders[partition]?.node
    return this.nodes.find((node) => node.id === id)
  }

  partitionAt(x: number): number {
    return Math.floor(x * this.#image.leaders.length)
  }

  hear(node: KafkaNode): void {
    node.deaf = false
    node.learn(this.#image)
  }

  breakConnections(node: KafkaNode): void {
    for (const { connections } of this.#sources)
      for (const each of [...connections]) if (each.node === node) each.broken()
  }

  revive(node: KafkaNode): void {
    node.state = 'up'
    for (const task of node.held.splice(0)) task()
  }

  /** Publishes the image of the current state. Nodes receive it at different times. */
  publish(to: (partition: number) => number | undefined = () => undefined): void {
    const before = this.#image
    this.#image = this.#next(before, to)
    this.#keepFormer(before)
    this.#beginLeading(before)
    const { version } = this.#image
    for (const node of this.nodes) {
      this.after(this.random.next() * newsMs, () => {
        if (!node.deaf && node.state === 'up' && node.image.version < version) node.learn(this.#image)
      })
    }
  }

  #next(
    { version, incarnation, leaders }: ClusterImage,
    to: (partition: number) => number | undefined = () => undefined,
  ) {
    const { broker } = this
    const current = broker.missing ? undefined : broker.current
    const isSame = current !== undefined && current === incarnation
    const next = (current?.logs ?? []).map(({ epoch }, partition): Leader => {
      const old = isSame ? leaders[partition] : undefined
      const wanted = to(partition)
      if (wanted !== undefined) return { node: wanted, epoch }
      if (old?.epoch === epoch) return old
      // Usually another node. A log that was cut by a power failure keeps its leader.
      return { node: old === undefined || this.random.next() < 0.75 ? this.#elect(old?.node ?? -1) : old.node, epoch }
    })
    const alive = this.nodes.filter(({ state }) => state === 'up').map(({ id }) => id)
    return { version: version + 1, alive, incarnation: current, leaders: next }
  }

  /**
   * Starts the epoch of each new leader in its log, even if nothing reads the log before the next
   * leader.
   */
  #beginLeading({ leaders }: ClusterImage): void {
    const { incarnation, leaders: next } = this.#image
    if (incarnation === undefined) return
    for (const [partition, { epoch }] of next.entries())
      if (leaders[partition]?.epoch !== epoch) void this.log(incarnation, partition).image
  }

  /** A former leader continues with its image of the log until it hears of its successor. */
  #keepFormer({ incarnation, leaders }: ClusterImage): void {
    const { version, incarnation: current, leaders: next } = this.#image
    if (incarnation === undefined) return
    for (const [partition, { node: id, epoch }] of leaders.entries()) {
      const node = this.nodes.find((each) => each.id === id)
      const leader = next[partition]
      if (node === undefined || current !== incarnation || leader === undefined || leader.epoch === epoch) continue
      const log = this.log(incarnation, partition)
      if (leader.node === id) {
        node.learn(this.#image)
        this.breakConnections(node)
        continue
      }
      const key = placeKey(incarnation, partition)
      if (!node.former.has(key)) node.former.set(key, { image: log.last, version })
    }
  }

  /** Elects a node that is available, a different one if possible. */
  #elect(not: number): number {
    const there = this.nodes.filter(({ id, state, deaf }) => id !== not && state === 'up' && !deaf)
    return there[Math.floor(this.random.next() * there.length)]?.id ?? (not > 0 ? not : 1)
  }
}
