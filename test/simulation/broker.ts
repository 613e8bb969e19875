import type { Generations } from '../../src/log/record.ts'
import type { StreamInfo } from '../../src/source/source.ts'
import { isSameLog, type Log, logOf } from '../../src/wire/token.ts'
import { PartitionLog } from './partition-log.ts'
import type { Process, VirtualTime } from './virtual-time.ts'

/** The first stream of a history, and mostly the only one. */
export const streamName = 'events'

/** The stream got one partition more. */
export interface Growth {
  /** Virtual ms. */
  readonly atMs: number
  /** How many it had before. */
  readonly before: number
  /** When the last tail had learned of it, virtual ms; Infinity = not yet. */
  adoptedMs: number
}

/** One life of the stream: between its creation and its deletion. */
export interface Incarnation extends Log {
  readonly index: number
  readonly stream: string
  /** How the broker names it. */
  readonly id: string
  readonly logs: PartitionLog[]
  readonly growths: Growth[]
  /** When it was deleted, virtual ms; Infinity = not yet. */
  deletedMs: number
}

/** Who must hear that the stream is another one now. */
export interface MetadataWatcher {
  /** What it knows. */
  readonly partitions: number
  readonly incarnation: string
  metadataChanged(): void
}

/** One stream at the broker that all gateways of a history read: its logs, and all that happened to them. */
export class SimBroker {
  readonly name: string
  readonly process: Process
  readonly incarnations: Incarnation[] = []
  /** Deleted, not created again yet. */
  missing = false
  readonly watchers = new Set<MetadataWatcher>()
  readonly generations: Generations
  /** As a real Kafka: of a rewrite whose place retention has taken since it tells nobody any more. */
  forgetsRewrites = false
  readonly #time: VirtualTime

  constructor(time: VirtualTime, partitions: number, generations: Generations, name = streamName) {
    this.name = name
    this.#time = time
    this.generations = generations
    this.process = time.process('broker')
    this.#incarnate(partitions)
  }

  /** As JetStream's, and as Kafka's. */
  get firstOffset(): number {
    return this.generations === 'times' ? 1 : 0
  }

  get current(): Incarnation {
    return this.incarnations.at(-1)!
  }

  get partitions(): number {
    return this.current.logs.length
  }

  get info(): StreamInfo | undefined {
    return this.missing ? undefined : infoOf(this.current)
  }

  /** Names the next incarnation. A Kafka topic's id has this form. */
  get nextId(): string {
    return `5eed${this.incarnations.length.toString(16).padStart(28, '0')}`
  }

  /** The incarnation that a token means. */
  byLog(log: Log): Incarnation | undefined {
    return this.incarnations.find((each) => isSameLog(each, log))
  }

  log(partition: number): PartitionLog {
    return this.current.logs[partition]!
  }

  grow(): void {
    const { index, logs, growths } = this.current
    growths.push({ atMs: this.#time.nowMs, before: logs.length, adoptedMs: Number.POSITIVE_INFINITY })
    logs.push(new PartitionLog(index, logs.length, this.firstOffset))
    this.#told()
  }

  /** A tail has learned something, or is gone. */
  learned(): void {
    const { growths, id } = this.current
    for (const growth of growths) {
      const ignorant = [...this.watchers].some(
        ({ partitions, incarnation }) => incarnation !== id || partitions <= growth.before,
      )
      // A gateway may begin with what it was told before.
      if (ignorant) growth.adoptedMs = Number.POSITIVE_INFINITY
      else growth.adoptedMs = Math.min(growth.adoptedMs, this.#time.nowMs)
    }
  }

  delete(): void {
    this.missing = true
    this.current.deletedMs = this.#time.nowMs
    this.#told()
  }

  create(partitions: number): void {
    this.missing = false
    this.#incarnate(partitions)
    this.#told()
  }

  #incarnate(partitions: number): void {
    const { firstOffset } = this
    const index = this.incarnations.length
    const id = this.nextId
    const logs = Array.from({ length: partitions }, (_, partition) => new PartitionLog(index, partition, firstOffset))
    const log = logOf(this.name, id)
    this.incarnations.push({
      index,
      stream: this.name,
      id,
      ...log,
      logs,
      growths: [],
      deletedMs: Number.POSITIVE_INFINITY,
    })
  }

  #told(): void {
    for (const watcher of [...this.watchers]) watcher.metadataChanged()
  }
}

export function infoOf({ stream, id, logs }: Incarnation): StreamInfo {
  return { name: stream, incarnation: id, partitions: logs.length }
}
