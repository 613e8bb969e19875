import { type LoopClock, loopClock } from '../../base/clock.ts'
import { CarillonError } from '../../base/errors.ts'
import { type Random, systemRandom } from '../../base/random.ts'
import type { KafkaSettings } from '../settings.ts'
import type {
  Ack,
  Chunk,
  Offsets,
  OutRecord,
  RangeEnd,
  RangeSink,
  Source,
  SourceContext,
  StreamInfo,
  Tail,
  TailSink,
} from '../source.ts'
import { BrokerAwayError } from './broker-link.ts'
import { BrokerSet } from './broker-set.ts'
import { type BrokerConnector, Connector, parseAddress } from './connector.ts'
import { createRequest } from './create-request.ts'
import { type Operation, shellWord } from './grants.ts'
import { LeaderCalls, refusal } from './leader-calls.ts'
import type { TopicMetadata } from './metadata-request.ts'
import { latest, offsetRequest } from './offsets-request.ts'
import { type KafkaOptions, kafkaDefaults } from './options.ts'
import { code, KafkaAnswerError } from './protocol-errors.ts'
import { Publisher } from './publisher.ts'
import { askOffsets, RangeRead } from './range.ts'
import { securityWarning } from './security.ts'
import { SeenHeads } from './seen-heads.ts'
import { KafkaTail } from './tail.ts'
import { type LogEnds, lastingBlocks, topicSettings } from './topic-settings.ts'

export interface KafkaContext extends SourceContext {
  /** The clock for all waits. By default the system's; tests control it. */
  readonly clock?: LoopClock
  readonly random?: Random
  /**
   * Replaces kafkajs's connections by those of a model of brokers. Its clock and options then
   * apply.
   */
  readonly connector?: BrokerConnector
}

/**
 * In topics that Carillon creates, the broker stamps the records. So ttl and latency need not
 * trust the producers' clocks.
 */
const topicConfig = { name: 'message.timestamp.type', value: 'LogAppendTime' } as const
const createTimeoutMs = 10_000

/**
 * Opens a Kafka cluster as a source. Connects only when needed, so it resolves even if the
 * brokers are away. Rejects with `bad_request` if an address is invalid.
 */
export async function openKafka(
  options: Pick<KafkaOptions, 'brokers'> & Partial<KafkaOptions>,
  context: KafkaContext,
): Promise<Source> {
  const { brokers } = options
  for (const address of brokers) {
    const { host, port } = parseAddress(address)
    if (host !== '' && port > 0 && port < 65_536) continue
    throw new CarillonError('bad_request', `expected a Kafka broker as host:port, got "${address}"`)
  }
  if (brokers.length === 0) throw new CarillonError('bad_request', 'expected at least one Kafka broker, got none')
  const all = { ...kafkaDefaults, ...options }
  const hosts = brokers.map((address) => parseAddress(address).host)
  const warning = securityWarning(all, hosts)
  if (warning !== undefined) context.log('warn', warning)
  return new KafkaSource(all, context)
}

/** The source that `openKafka` returns. Does not validate its options. */
export class KafkaSource implements Source {
  readonly kind = 'kafka'
  readonly firstOffset = 0
  readonly generations = 'ranges'
  readonly name: string
  readonly #options: KafkaOptions
  readonly #context: SourceContext
  readonly #clock: LoopClock
  readonly #random: Random
  /**
   * Questions, ranges, publishing and each tail have separate connections. Each of these uses has
   * its own client id, and so its own quota.
   */
  readonly #connector: BrokerConnector
  readonly #askBrokers: BrokerSet
  readonly #asks: LeaderCalls
  readonly #rangeBrokers: BrokerSet
  readonly #ranges: LeaderCalls
  readonly #publishBrokers: BrokerSet
  readonly #publishes: LeaderCalls
  readonly #publisher: Publisher
  readonly #heads = new SeenHeads()
  readonly #tails = new Set<KafkaTail>()

  constructor(options: KafkaOptions, context: KafkaContext) {
    this.name = `kafka://${options.brokers.join(',')}`
    this.#options = options
    this.#context = context
    this.#clock = context.clock ?? loopClock()
    this.#random = context.random ?? systemRandom
    this.#connector = context.connector ?? new Connector(options, this.#clock, (each) => context.throttled?.(each))
    this.#askBrokers = new BrokerSet(this.#connector, 'questions')
    this.#asks = new LeaderCalls(this.#askBrokers, options, this.#clock)
    this.#rangeBrokers = new BrokerSet(this.#connector, 'readback')
    this.#ranges = new LeaderCalls(this.#rangeBrokers, options, this.#clock)
    this.#publishBrokers = new BrokerSet(this.#connector, 'publish')
    this.#publishes = new LeaderCalls(this.#publishBrokers, options, this.#clock)
    this.#publisher = new Publisher(options, this.#publishes, this.#clock)
  }

  async describe(stream: string): Promise<StreamInfo | undefined> {
    const answer = this.#askBrokers.metadata(stream)
    const { error, topicId, partitions } = await this.#answered(stream, 'Describe', answer)
    if (error === code.unknownTopicOrPartition || error === code.invalidTopic) return undefined
    if (error !== 0 && error !== code.leaderNotAvailable) {
      throw refusal(new KafkaAnswerError(error, ''), { operation: 'Describe', topic: stream }, this.#options)
    }
    return { name: stream, incarnation: topicId, partitions: partitions.length }
  }

  async create(stream: string, partitions: number): Promise<void> {
    const request = createRequest(stream, partitions, topicConfig, createTimeoutMs)
    const created = this.#askBrokers.any().then((link) => link.ask(request, createTimeoutMs))
    await this.#answered(stream, 'Create', created).catch((error: CarillonError) => {
      const cause = error.cause
      if (!(cause instanceof KafkaAnswerError) || cause.code !== code.topicAlreadyExists) throw error
    })
  }

  createCommand(stream: string, partitions: number): string {
    const config = `${topicConfig.name}=${topicConfig.value}`
    const server = this.#options.brokers.join(',')
    return `kafka-topics.sh --bootstrap-server ${server} --create --topic ${shellWord(stream)} --partitions ${partitions} --config ${config}`
  }

  offsets(stream: StreamInfo, partition: number): Promise<Offsets> {
    const { requestTimeoutMs } = this.#options
    return this.#ask(stream, partition, async (link, leaderEpoch) => {
      const offsets = await askOffsets(link, { topic: stream.name, partition, leaderEpoch }, requestTimeoutMs)
      this.#heads.saw(stream, partition, { offset: offsets.head, leaderEpoch })
      return offsets
    })
  }

  offsetAt(stream: StreamInfo, partition: number, timeMs: number): Promise<number> {
    const { requestTimeoutMs } = this.#options
    return this.#ask(stream, partition, async (link, leaderEpoch) => {
      const asked = { topic: stream.name, partition, leaderEpoch }
      const found = await link.ask(offsetRequest(asked, Math.max(0, timeMs)), requestTimeoutMs)
      const { head } = await askOffsets(link, asked, requestTimeoutMs)
      return found < 0 ? head : Math.min(found, head)
    })
  }

  tail(stream: StreamInfo, from: readonly (number | undefined)[], sink: TailSink): Tail {
    const surroundings = {
      connector: this.#connector,
      context: this.#context,
      random: this.#random,
      heads: this.#heads,
      heard: (metadata: TopicMetadata) => {
        this.#asks.heard(stream.name, metadata)
        this.#ranges.heard(stream.name, metadata)
      },
    }
    const tail = new KafkaTail(stream, from, sink, surroundings)
    this.#tails.add(tail)
    return {
      add: (partition, offset) => tail.add(partition, offset),
      drop: (partition) => tail.drop(partition),
      close: () => {
        this.#tails.delete(tail)
        return tail.close()
      },
    }
  }

  async range(stream: StreamInfo, chunk: Chunk, sink: RangeSink): Promise<RangeEnd> {
    try {
      return await new RangeRead(stream, chunk, sink, this.#connector).run(this.#ranges)
    } catch (error) {
      throw refusal(error, { operation: 'Read', topic: stream.name, partition: chunk.partition }, this.#options)
    }
  }

  async publish(stream: StreamInfo, records: readonly OutRecord[]): Promise<Ack[]> {
    return this.#publisher.publish(stream, records)
  }

  async settings(stream: StreamInfo): Promise<KafkaSettings> {
    const asked = topicSettings(this.#askBrokers, stream.name, this.#options.requestTimeoutMs)
    const settings = await this.#answered(stream.name, 'DescribeConfigs', asked)
    const blocked = await lastingBlocks((partition) => this.#ends(stream, partition), stream.partitions, this.#clock)
    return { ...settings, blocked }
  }

  #ends(stream: StreamInfo, partition: number): Promise<LogEnds> {
    const { requestTimeoutMs } = this.#options
    return this.#ask(stream, partition, async (link, leaderEpoch) => {
      const asked = { topic: stream.name, partition, leaderEpoch }
      // Asks for the end first: records committed between the two answers then do not count as
      // blocked.
      const end = await link.ask(offsetRequest(asked, latest, 'all'), requestTimeoutMs)
      return { end, head: await link.ask(offsetRequest(asked, latest), requestTimeoutMs) }
    })
  }

  async close(): Promise<void> {
    for (const calls of [this.#asks, this.#ranges, this.#publishes]) calls.close()
    for (const brokers of [this.#askBrokers, this.#rangeBrokers, this.#publishBrokers]) brokers.close()
    await Promise.all([...this.#tails].map((tail) => tail.close()))
  }

  async #ask<T>(
    stream: StreamInfo,
    partition: number,
    request: Parameters<typeof LeaderCalls.prototype.run<T>>[3],
  ): Promise<T> {
    try {
      return await this.#asks.run(stream, partition, this.#options.askTimeoutMs, request)
    } catch (error) {
      throw refusal(error, { operation: 'Describe', topic: stream.name, partition }, this.#options)
    }
  }

  async #answered<T>(topic: string, operation: Operation, answer: Promise<T>): Promise<T> {
    try {
      return await answer
    } catch (error) {
      if (!(error instanceof BrokerAwayError)) throw refusal(error, { operation, topic }, this.#options)
      throw new CarillonError('broker_unavailable', error.message, { cause: error })
    }
  }
}
