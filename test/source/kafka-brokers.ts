import { seededRandom } from '../../src/base/random.ts'
import type { Offsets, RangeEnd, StreamInfo, Tail, TailSink } from '../../src/source/source.ts'
import { SimBroker } from '../simulation/broker.ts'
import type { PartitionLog } from '../simulation/partition-log.ts'
import type { SimulatedSource } from '../simulation/simulated-source.ts'
import { VirtualTime } from '../simulation/virtual-time.ts'
import { KafkaCluster } from '../simulation/wire/kafka-cluster.ts'
import type { SimKafkaSource } from '../simulation/wire/kafka-source.ts'

/**
 * The adapter on the simulation's model of brokers. Tests inject the faults instead of drawing
 * them at random.
 */
export class Brokers {
  readonly time = new VirtualTime()
  readonly broker: SimBroker
  readonly cluster: KafkaCluster
  readonly gateway = this.time.process('gateway')
  readonly source: SimulatedSource
  /** What the tail delivered: `text@offset`, or a loss. */
  readonly told: string[] = []
  /** The generation of each record that it delivered. */
  readonly generations: number[] = []
  /** The last reported position of the tail, and the length of `told` at that time. */
  through: { readonly next: number; readonly told: number } | undefined
  /** The last reported bounds of the log. */
  bounds: Offsets | undefined
  readonly states: string[] = []
  onState: (state: string) => void = () => {}
  /** The tail that `tail` opened; undefined until it is open. */
  opened: Tail | undefined
  /** Called with each delivery of the tail. */
  onTold: (text: string) => void = () => {}

  constructor(partitions = 1, random = seededRandom(2), batch = 20) {
    this.broker = new SimBroker(this.time, partitions, 'ranges')
    this.cluster = new KafkaCluster(this.time, this.broker, 1)
    this.source = this.cluster.open(this.gateway, random, batch)
  }

  /** Total of the pauses that brokers asked for, by use, ms. */
  get paused(): SimKafkaSource['pausedMs'] {
    return (this.source as SimKafkaSource).pausedMs
  }

  get connections(): number {
    return (this.source as SimKafkaSource).connections.size
  }

  /** Log messages of the adapter. */
  get logged(): string[] {
    return (this.source as SimKafkaSource).logged
  }

  get log(): PartitionLog {
    return this.broker.log(0)
  }

  /** What the replicas have of it. */
  get stored() {
    return this.cluster.log(this.leader.image.incarnation!, 0).image
  }

  get info(): StreamInfo {
    return this.broker.info!
  }

  get leader() {
    return this.cluster.leaderOf(0)!
  }

  /** Writes records. A text that begins with "!" is damaged. */
  write(...texts: string[]): void {
    this.writeTo(0, ...texts)
  }

  writeTo(partition: number, ...texts: string[]): void {
    this.#write(this.broker.log(partition), texts, undefined)
  }

  /** Writes records in a transaction, which stays open. */
  begin(transaction: number, ...texts: string[]): void {
    this.#write(this.log, texts, transaction)
  }

  #write(log: PartitionLog, texts: readonly string[], transaction: number | undefined): void {
    for (const text of texts) {
      const timeMs = this.broker.process.nowUs() / 1000
      const record = { key: null, event: undefined, timeMs, transaction }
      log.append({ ...record, value: Buffer.from(text), damaged: text.startsWith('!') }, this.time.nowMs)
    }
  }

  tail(...from: (number | undefined)[]): void {
    const tell = (text: string) => {
      this.told.push(text)
      this.onTold(text)
    }
    const sink: TailSink = {
      record: ({ buffer, valueStart, valueEnd, offset, generation }) => {
        this.generations.push(generation)
        tell(`${buffer.toString('utf8', valueStart, valueEnd)}@${offset}`)
      },
      end: (_partition, next, bounds) => {
        this.bounds = bounds
        this.through = { next, told: this.told.length }
      },
      lost: (_, first, last, reason) => tell(`${reason} ${first}-${last}`),
      recreated: () => tell('recreated'),
      grown: () => tell('grown'),
      state: (state) => {
        this.states.push(state)
        this.onState(state)
      },
    }
    this.gateway.after(0, () => {
      this.opened = this.source.tail(this.info, from, sink)
    })
  }

  /** Reads a chunk of [from, to) and ignores its records. */
  chunk(from: number, to: number): Promise<RangeEnd> {
    const chunk = { partition: 0, from, to, maxBytes: 1 << 20 }
    return this.source.range(this.info, chunk, { record() {}, lost() {} })
  }

  /** Reads a chunk of [from, to) and returns its records and losses. */
  async range(from: number, to: number): Promise<string[]> {
    const shown: string[] = []
    const chunk = { partition: 0, from, to, maxBytes: 1 << 20 }
    await this.source.range(this.info, chunk, {
      record: ({ buffer, valueStart, valueEnd }) => shown.push(buffer.toString('utf8', valueStart, valueEnd)),
      lost: (first, last) => shown.push(`lost ${first}-${last}`),
    })
    return shown
  }

  async passes(ms: number): Promise<void> {
    await this.time.runTo(this.time.nowMs + ms)
  }

  /** Runs until `work` has settled. */
  async done<T>(work: Promise<T>, withinMs = 20_000): Promise<T> {
    let settled = false
    const finished = work.finally(() => {
      settled = true
    })
    finished.catch(() => {})
    const deadline = this.time.nowMs + withinMs
    while (!settled && this.time.nowMs < deadline) await this.passes(10)
    if (!settled) throw new Error(`not settled within ${withinMs} ms`)
    return finished
  }
}
