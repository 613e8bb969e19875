import { type Random, seededRandom } from '../../../src/base/random.ts'
import type { LinkContext } from '../../../src/source/jetstream/link.ts'
import { type NatsOptions, natsDefaults } from '../../../src/source/jetstream/options.ts'
import { NatsSource } from '../../../src/source/jetstream/source.ts'
import type { SourceContext, StreamInfo, Tail, TailSink } from '../../../src/source/source.ts'
import type { SimBroker } from '../broker.ts'
import type { LogOwner } from '../log-owner.ts'
import type { BrokerFault, ClusterSurroundings, SimulatedCluster, SimulatedSource } from '../simulated-source.ts'
import type { Process, VirtualTime } from '../virtual-time.ts'
import { watchedTail } from '../watched-tail.ts'
import type { PublishingSource } from './adapter-publishers.ts'
import { Line } from './jetstream-connection.ts'
import type { Consumer } from './jetstream-consumer.ts'
import { refusals, type Step, stateOf } from './jetstream-faults.ts'
import { JetStreamPublishing } from './jetstream-publishing.ts'
import { ModelServer } from './jetstream-server.ts'

const below = (x: number, count: number): number => Math.floor(x * count)

/** The real JetStream adapter on a model of its server. */
export class JetStreamCluster implements SimulatedCluster {
  readonly #time: VirtualTime
  readonly #broker: SimBroker
  readonly #server: ModelServer
  readonly #options: NatsOptions
  /** Undefined if no gateway publishes in this history. */
  readonly #publishing: JetStreamPublishing | undefined

  constructor({ time, broker, truth, verdict, seed }: ClusterSurroundings) {
    const random = seededRandom(seed)
    this.#time = time
    this.#broker = broker
    this.#publishing = JetStreamPublishing.draw(seed, { time, broker, truth, verdict })
    this.#server = new ModelServer(time, broker, random, this.#publishing)
    const maxHeldBytes = random.next() < 0.3 ? 2000 : natsDefaults.maxHeldBytes
    this.#options = { ...natsDefaults, servers: ['simulated'], maxHeldBytes, ...this.#publishing?.options }
  }

  get owner(): LogOwner | undefined {
    return this.#publishing?.owner
  }

  /** The current consumers. */
  get consumers(): Iterable<Consumer> {
    return this.#server.consumers.values()
  }

  /**
   * Makes the server refuse all consumers with one of `refusals` from now on; undefined = no
   * longer.
   */
  refuse(description: string | undefined): void {
    this.#server.faults.refusesAll = refusals.find((refusal) => refusal.description === description)
  }

  /** Subjects of the streams, if they differ from those of the partitions. */
  set subjects(subjects: readonly string[] | undefined) {
    this.#server.subjects = subjects
  }

  unfinished(): string | undefined {
    return this.#publishing?.published.unfinished()
  }

  open(process: Process, random: Random, batch: number): SimulatedSource {
    this.#server.batch = batch
    const line = new Line(this.#time, process, this.#server, random)
    const source = new ModelledSource(this.#options, line, this.#broker)
    this.#publishing?.sources.add(source)
    return source
  }

  fault({ x, y, z }: BrokerFault): string {
    const kinds = Object.entries(faults)
    const [name, happen] = kinds[below(x, kinds.length)]!
    happen({ server: this.#server, broker: this.#broker, time: this.#time }, y, z)
    return name
  }

  heal(): void {
    this.#server.faults.heal()
    this.#publishing?.heal()
  }
}

interface Place {
  readonly server: ModelServer
  readonly broker: SimBroker
  readonly time: VirtualTime
}

type Happen = (at: Place, y: number, z: number) => void

const steps: readonly Step[] = ['info', 'get', 'create', 'next']

const faults: Readonly<Record<string, Happen>> = {
  'retention takes one record': ({ broker, time }, y) => {
    const log = broker.missing ? undefined : broker.log(below(y, broker.partitions))
    log?.retain(log.first + 1, time.nowMs)
  },
  'retention will run between two requests': ({ server: { faults } }, y, z) => {
    faults.retention.set(steps[below(y, steps.length)]!, 1 + below(z ** 2, 12))
  },
  'retention takes everything': ({ broker, time }, y) => {
    const log = broker.missing ? undefined : broker.log(below(y, broker.partitions))
    log?.retain(log.head, time.nowMs)
  },
  'an outdated server will answer once': ({ server: { faults }, broker }, y) => {
    if (broker.missing) return
    const log = broker.log(below(y, broker.partitions))
    faults.stale.set(log, stateOf(log))
  },
  'consumers will be refused': ({ server: { faults } }, y) => {
    faults.refusing = 1 + below(y, 4)
  },
  'a consumer falls silent': ({ server: { consumers } }, y) => {
    const consumer = [...consumers.values()][below(y, consumers.size)]
    if (consumer !== undefined) consumer.silent = true
  },
  'a consumer sends only heartbeats': ({ server: { consumers } }, y) => {
    const consumer = [...consumers.values()][below(y, consumers.size)]
    if (consumer !== undefined) consumer.paused = true
  },
  'a consumer is deleted': ({ server: { consumers } }, y) => {
    const key = [...consumers.keys()][below(y, consumers.size)]
    if (key !== undefined) consumers.delete(key)
  },
  'messages are lost in transit': ({ server: { consumers, faults } }, y, z) => {
    const consumer = [...consumers.values()][below(y * 2, consumers.size)]
    if (consumer !== undefined) consumer.losing = 1 + below(z, 3)
    else faults.losing = 1 + below(z, 3)
  },
  'chunks will end early': ({ server: { faults } }, y) => faults.endEarly(1 + below(y, 3)),
  'answers will be lost': ({ server: { faults } }, y) => {
    faults.losingAnswers = 1 + below(y, 2)
  },
  'the server restarts': ({ server }, y) => server.restart(y * 2500),
}

class ModelledSource extends NatsSource implements SimulatedSource, PublishingSource {
  /** Retention keeps the records that tails need to notice a rewrite. */
  readonly tellsGoneRewrites = true
  readonly gateway: Process
  isClosed = false
  readonly #line: Line
  readonly #broker: SimBroker

  constructor(options: NatsOptions, line: Line, broker: SimBroker) {
    const { process: clock, random } = line
    const context: SourceContext & LinkContext = { clock, random, dial: (how) => line.dial(how), log: () => {} }
    super(options, context)
    this.gateway = clock
    this.#line = line
    this.#broker = broker
  }

  get latencyMs(): number {
    return this.#line.latencyMs
  }

  set latencyMs(ms: number) {
    this.#line.latencyMs = ms
  }

  setAway(away: boolean): void {
    this.#line.setAway(away)
  }

  override close(): Promise<void> {
    this.isClosed = true
    return super.close()
  }

  override tail(stream: StreamInfo, from: readonly (number | undefined)[], sink: TailSink): Tail {
    return watchedTail(this.#broker, { info: stream, from }, sink, (watched) => super.tail(stream, from, watched))
  }
}
