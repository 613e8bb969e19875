import type { Generations } from '../../src/log/record.ts'
import type { StreamInfo } from '../../src/source/source.ts'
import { isSameLog, type Log, logOf } from '../../src/wire/token.ts'
import { PartitionLog } from './partition-log.ts'
import type { Process, VirtualTime } from './virtual-time.ts'

/** Name of a history's first stream, usually the only one. */
export const streamName = 'events'

/** An increase of the stream by one partition. */
export interface Growth {
  /** Time of the growth, virtual ms. */
  readonly atMs: number
  /** Number of partitions before. */
  readonly before: number
  /** When the last tail learned of the growth, virtual ms; Infinity = not yet. */
  adoptedMs: number
}

/** One incarnation of the stream, between its creation and its deletion. */
export interface Incarnation extends Log {
  readonly index: number
  readonly stream: string
  /** The broker's id of the incarnation. */
  readonly id: string
  readonly logs: PartitionLog[]
  readonly growths: Growth[]
  /** When the incarnation was deleted, virtual ms; Infinity = not yet. */
  deletedMs: number
}

/** Receives the news that the stream has changed. */
export interface MetadataWatcher {
  /** Number of partitions that the watcher knows. */
  readonly partitions: number
  readonly incarnation: string
  metadataChanged(): void
}

/** One stream of the broker that all gateways of a history read: its logs and their past. */
export class SimBroker {
  readonly name: string
  readonly process: Process
  readonly incarnations: Incarnation[] = []
  /** true = deleted and not created again yet. */
  missing = false
  readonly watchers = new Set<MetadataWatcher>()
  readonly generations: Generations
  /** true = does not report a rewrite once retention has removed its place, like a real Kafka. */
  forgetsRewrites = false
  readonly #time: VirtualTime

  constructor(time: VirtualTime, partitions: number, generations: Generations, name = streamName) {
    this.name = name
    this.#time = time
    this.generations = generations
    this.process = time.process('broker')
    this.#incarnate(partitions)
  }

  /** First offset of a new log, as in JetStream and in Kafka. */
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

  /** The id of the next incarnation, in the form of a Kafka topic id. */
  get nextId(): string {
    return `5eed${this.incarnations.length.toString(16).padStart(28, '0')}`
  }

  /** Returns the incarnation that a token refers to. */
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

  /** Called when a tail has learned of a change, or has ended. */
  learned(): void {
    const { growths, id } = this.current
    for (const growth of growths) {
      const ignorant = [...this.watchers].some(
        ({ partitions, incarnation }) => incarnation !== id || partitions <= growth.before,
      )
      // A gateway may start with information from before the growth.
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
