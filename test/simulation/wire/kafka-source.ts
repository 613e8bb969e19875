import type { BrokerUse } from '../../../src/base/broker-uses.ts'
import type { Random } from '../../../src/base/random.ts'
import type { Generations } from '../../../src/log/record.ts'
import { KafkaSource } from '../../../src/source/kafka/source.ts'
import type {
  Ack,
  Chunk,
  Offsets,
  OutRecord,
  RangeEnd,
  RangeSink,
  StreamInfo,
  Tail,
  TailSink,
} from '../../../src/source/source.ts'
import type { MetadataWatcher, SimBroker } from '../broker.ts'
import type { SimulatedSource } from '../simulated-source.ts'
import type { Process, VirtualTime } from '../virtual-time.ts'
import { type ModelConnection, ModelConnector, type Route } from './kafka-connection.ts'
import type { KafkaNode } from './kafka-node.ts'
import { kafkaOptions, type PublishOptions } from './kafka-options.ts'

export interface KafkaSurroundings {
  readonly time: VirtualTime
  readonly broker: SimBroker
  readonly nodes: readonly KafkaNode[]
  readonly process: Process
  readonly random: Random
  /** Approximate number of records in an answer. */
  readonly batch: number
  /** Options of publishing; undefined = gateways do not publish. */
  readonly publishing: PublishOptions | undefined
}

/** The real adapter of one gateway, on model connections. */
export class SimKafkaSource implements SimulatedSource, Route {
  readonly kind = 'kafka'
  readonly firstOffset = 0
  readonly tellsGoneRewrites = false
  readonly generations: Generations = 'ranges'
  readonly time: VirtualTime
  readonly brokers: Process
  readonly gateway: Process
  readonly random: Random
  readonly connections = new Set<ModelConnection>()
  /** Messages for operators. */
  readonly logged: string[] = []
  /** Total of the pauses that brokers asked for, by use, ms. */
  readonly pausedMs: Record<BrokerUse, number> = { live: 0, readback: 0, publish: 0, questions: 0 }
  link: Route['link'] = 'open'
  latencyMs = 6
  isClosed = false
  readonly #broker: SimBroker
  readonly #source: KafkaSource
  readonly #held: (() => void)[] = []
  readonly #tails = new Set<WatchedTail>()

  constructor({ time, broker, nodes, process, random, batch, publishing }: KafkaSurroundings) {
    this.time = time
    this.brokers = broker.process
    this.gateway = process
    this.random = random
    this.#broker = broker
    const options = { ...kafkaOptions(nodes, batch, random), ...publishing }
    const connector = new ModelConnector(options, nodes, this)
    const log = (_level: string, message: string) => void this.logged.push(message)
    this.#source = new KafkaSource(options, { log, clock: process, random, connector })
  }

  get name(): string {
    return this.#source.name
  }

  setAway(away: boolean): void {
    if (away === (this.link !== 'open')) return
    if (away) {
      this.link = this.random.next() < 0.5 ? 'refused' : 'silent'
      if (this.link === 'refused') for (const each of [...this.connections]) each.broken()
      return
    }
    this.link = 'open'
    for (const task of this.#held.splice(0)) task()
  }

  throttled(use: BrokerUse, ms: number): void {
    this.pausedMs[use] += ms
  }

  hold(task: () => void): void {
    this.#held.push(task)
  }

  describe(stream: string): Promise<StreamInfo | undefined> {
    return this.#source.describe(stream)
  }

  create(stream: string, partitions: number): Promise<void> {
    return this.#source.create(stream, partitions)
  }

  createCommand(stream: string, partitions: number): string {
    return this.#source.createCommand(stream, partitions)
  }

  offsets(stream: StreamInfo, partition: number): Promise<Offsets> {
    return this.#source.offsets(stream, partition)
  }

  offsetAt(stream: StreamInfo, partition: number, timeMs: number): Promise<number> {
    return this.#source.offsetAt(stream, partition, timeMs)
  }

  range(stream: StreamInfo, chunk: Chunk, sink: RangeSink): Promise<RangeEnd> {
    return this.#source.range(stream, chunk, sink)
  }

  tail(stream: StreamInfo, from: readonly (number | undefined)[], sink: TailSink): Tail {
    const watched = new WatchedTail(stream, sink, this.#broker)
    this.#tails.add(watched)
    const tail = this.#source.tail(stream, from, watched)
    return {
      add: (partition, offset) => tail.add(partition, offset),
      drop: (partition) => tail.drop(partition),
      close: () => {
        this.#tails.delete(watched)
        watched.closed()
        return tail.close()
      },
    }
  }

  publish(stream: StreamInfo, records: readonly OutRecord[]): Promise<Ack[]> {
    return this.#source.publish(stream, records)
  }

  async close(): Promise<void> {
    this.isClosed = true
    for (const each of this.#tails) each.closed()
    for (const each of [...this.connections]) void each.disconnect()
    await this.#source.close()
  }
}

/** Reports to the history what a tail has learned of the stream. */
class WatchedTail implements TailSink, MetadataWatcher {
  partitions: number
  incarnation: string
  readonly #sink: TailSink
  readonly #broker: SimBroker

  constructor({ partitions, incarnation }: StreamInfo, sink: TailSink, broker: SimBroker) {
    this.partitions = partitions
    this.incarnation = incarnation
    this.#sink = sink
    this.#broker = broker
    broker.watchers.add(this)
    broker.learned()
  }

  closed(): void {
    if (this.#broker.watchers.delete(this)) this.#broker.learned()
  }

  metadataChanged(): void {}

  record: TailSink['record'] = (record) => this.#sink.record(record)

  lost: TailSink['lost'] = (...loss) => this.#sink.lost(...loss)

  state: TailSink['state'] = (...state) => this.#sink.state(...state)

  end: TailSink['end'] = (...end) => this.#sink.end(...end)

  recreated(stream: StreamInfo): void {
    this.#sink.recreated(stream)
    this.#learned(stream)
  }

  grown(stream: StreamInfo): void {
    this.#sink.grown(stream)
    this.#learned(stream)
  }

  #learned({ partitions, incarnation }: StreamInfo): void {
    this.partitions = partitions
    this.incarnation = incarnation
    this.#broker.learned()
  }
}
