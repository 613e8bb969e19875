import { CarillonError } from '../../../src/base/errors.ts'
import { type Random, seededRandom } from '../../../src/base/random.ts'
import { Batch } from '../../../src/source/embedded/batch.ts'
import type { EmbeddedOptions } from '../../../src/source/embedded/options.ts'
import { streamName } from '../broker.ts'
import type { LogOwner } from '../log-owner.ts'
import type { NewRecord, PartitionLog } from '../partition-log.ts'
import type { BrokerFault, ClusterSurroundings, SimulatedCluster } from '../simulated-source.ts'
import type { Process } from '../virtual-time.ts'
import { damage, damages } from './damage.ts'
import { DurableLog, type Submission } from './durable-log.ts'
import { withBatch } from './image.ts'
import { type KillPhase, Medium } from './model-disk.ts'
import { drawOptions } from './options.ts'
import { SimEmbeddedSource } from './source.ts'

/** How soon an operator tries again, ms. */
const retryMs = 300
/** As many as actions let a stream grow to. */
const mostPartitions = 6
/** What it takes until a record is with the gateway, ms, at most. */
const publishMs = 5
/** By which the log refuses to store something. */
const refusals: ReadonlySet<string> = new Set(['storage_full', 'broker_unavailable', 'overloaded', 'stream_missing'])

/** The real embedded log in the one gateway, over a disk that outlives it. Who publishes does so through its adapter. */
export class EmbeddedCluster implements SimulatedCluster, LogOwner {
  readonly #surroundings: ClusterSurroundings
  readonly #random: Random
  readonly #options: EmbeddedOptions
  readonly #medium: Medium
  readonly #durable: DurableLog
  #opened: SimEmbeddedSource | undefined
  #waiting: [partition: number, record: NewRecord][] = []
  /** What becomes of a stream once it is deleted. */
  #wanted: { readonly partitions: number; readonly afterMs: number } | undefined

  constructor(surroundings: ClusterSurroundings) {
    const { time, broker, seed, crash } = surroundings
    this.#surroundings = surroundings
    this.#random = seededRandom(seed)
    this.#options = drawOptions(this.#random)
    const committed = (batch: Batch, by: Process) => this.#committed(batch, by)
    this.#medium = new Medium({ time, host: broker.process, random: this.#random, crash, committed })
    const first = new Batch()
    first.putStream(streamName, { id: 1, incarnation: broker.current.id, partitions: broker.partitions })
    first.putLastId(1)
    this.#medium.image = withBatch(this.#medium.image, first)
    this.#durable = new DurableLog(surroundings, this.#options, 1)
  }

  /** What its operator does. */
  readonly #own: Readonly<Record<string, Happen>> = {
    'the stream will be deleted and created again': (_medium, _durable, log, z) => {
      if (log !== undefined) this.recreate(1 + Math.floor(z * 4), z < 0.5 ? 0 : z * 2000)
    },
    'the stream will grow': (_medium, _durable, log) => {
      if (log !== undefined && this.#surroundings.broker.partitions < mostPartitions) this.grow()
    },
    "the gateway's clock is set back": (_medium, _durable, _log, z) => this.#opened?.process.step(-z * 8000),
  }

  // SimulatedCluster

  get owner(): LogOwner {
    return this
  }

  get isTaken(): boolean {
    return this.#medium.holder !== undefined
  }

  open(process: Process): SimEmbeddedSource {
    this.#opened = new SimEmbeddedSource(this.#surroundings, this.#medium, process, this.#options)
    return this.#opened
  }

  fault({ x, y, z }: BrokerFault): string {
    const all = Object.entries({ ...faults, ...this.#own })
    const [name, happen] = all[Math.floor(x * all.length)]!
    const { broker } = this.#surroundings
    const logs = broker.missing ? [] : broker.current.logs
    happen(this.#medium, this.#durable, logs[Math.floor(y * logs.length)], z)
    return name
  }

  heal(): void {
    const medium = this.#medium
    medium.failing = undefined
    medium.failures = 0
    medium.killing = undefined
    medium.latencyMs = 6
  }

  unfinished(): string | undefined {
    const source = this.#opened
    if (source === undefined || source.process.dead) return 'nobody has the log open'
    return this.#durable.unfinished(this.#medium.image, source.process)
  }

  // LogOwner

  append(partition: number, record: NewRecord): undefined {
    this.#waiting.push([partition, record])
    if (this.#waiting.length > 1) return
    const { time, broker } = this.#surroundings
    time.add(broker.process, this.#random.next() * publishMs, () => {
      const all = this.#waiting.splice(0)
      this.#inProcess((source) => this.#publish(source, all))
    })
  }

  retain(log: PartitionLog, first: number): void {
    const { incarnations, current } = this.#surroundings.broker
    const stream = { name: streamName, incarnation: incarnations[log.incarnation]!.id, partitions: current.logs.length }
    this.#inProcess((source) => {
      this.#durable.askedToDrop(log, first)
      return source.dropBefore(stream, log.partition, first)
    })
  }

  grow(): void {
    const { broker } = this.#surroundings
    this.#inProcess((source) => source.grow(streamName, broker.partitions + 1))
  }

  recreate(partitions: number, afterMs: number): void {
    this.#wanted = { partitions, afterMs }
    this.#inProcess((source) => source.delete(streamName))
  }

  restore(): void {
    const { broker } = this.#surroundings
    if (broker.missing) this.#create(broker.partitions)
  }

  #create(partitions: number): void {
    const { time, broker } = this.#surroundings
    if (!broker.missing) return
    this.#inProcess((source) => source.create(streamName, partitions))
    time.add(broker.process, retryMs, () => this.#create(partitions))
  }

  #committed(batch: Batch, by: Process): void {
    const { time, broker } = this.#surroundings
    const wasMissing = broker.missing
    this.#durable.committed(batch, by)
    if (wasMissing || !broker.missing) return
    const { partitions, afterMs } = this.#wanted ?? { partitions: broker.partitions, afterMs: 0 }
    time.add(broker.process, afterMs, () => this.#create(partitions))
  }

  /** Something that is asked of the gateway, if there is one. Only what the log documents may come of it. */
  #inProcess(task: (source: SimEmbeddedSource) => Promise<void>): void {
    const source = this.#opened
    if (source === undefined || source.process.dead) return
    source.process.after(0, () => void task(source).catch((error: unknown) => this.#failed(error)))
  }

  async #publish(source: SimEmbeddedSource, all: readonly [number, NewRecord][]): Promise<void> {
    const stream = await source.describe(streamName)
    if (stream === undefined) return
    const { process } = source
    const rest = [...all]
    while (rest.length > 0) {
      const timeMs = Math.floor(process.nowUs() / 1000)
      const submissions = rest
        .splice(0, 1 + Math.floor(this.#random.next() * 5))
        .map(([partition, record]): Submission => {
          return { stream, partition, record, timeMs, by: process, stored: undefined, answer: undefined }
        })
      for (const submission of submissions) this.#durable.submit(submission)
      void this.#send(source, submissions)
    }
  }

  async #send(source: SimEmbeddedSource, submissions: readonly Submission[]): Promise<void> {
    const records = submissions.map(({ partition, record: { key, value } }) => ({ partition, key, value }))
    try {
      this.#durable.acknowledged(submissions, await source.publish(submissions[0]!.stream, records))
    } catch (error) {
      this.#durable.refused(submissions, this.#failed(error))
    }
  }

  #failed(error: unknown): string {
    if (error instanceof CarillonError && refusals.has(error.code)) return error.code
    throw error
  }
}

type Happen = (medium: Medium, durable: DurableLog, log: PartitionLog | undefined, z: number) => void

const killed =
  (phase: KillPhase): Happen =>
  (medium) => {
    medium.killing = phase
  }

const faults: Readonly<Record<string, Happen>> = {
  'the gateway will be killed before its next commit': killed('before'),
  'the gateway will be killed while it commits': killed('while'),
  'the gateway will be killed after its next commit': killed('after'),
  'commits will fail': (medium, _durable, _log, z) => {
    medium.failures = 1 + Math.floor(z * 4)
  },
  'the disk is full for a while': (medium, _durable, _log, z) => {
    const { time, host } = medium.surroundings
    medium.failing = 'full'
    time.add(host, z * 4000, () => {
      medium.failing = undefined
    })
  },
  ...Object.fromEntries(
    Object.entries(damages).map(([name, which]): [string, Happen] => [
      name,
      (medium, durable, log) => {
        if (log !== undefined) damage(medium, durable, log, which)
      },
    ]),
  ),
}
