import { CarillonError } from '../../base/errors.ts'
import { LimitReached } from '../../base/limits.ts'
import type { Ack } from '../source.ts'
import type { Batch } from './batch.ts'
import { BlockBuilder } from './block.ts'
import type { EmbeddedOptions } from './options.ts'
import type { PreparedRecord } from './record.ts'
import type { Store } from './store.ts'
import type { PartitionLog, StreamLog } from './stream.ts'

interface Append {
  readonly log: StreamLog
  readonly records: readonly PreparedRecord[]
  /** Publish time, Unix ms. */
  readonly timeMs: number
  readonly bytes: number
  readonly acks: Ack[]
  resolve(acks: Ack[]): void
  reject(error: unknown): void
}

/**
 * Writes records. Publishes during a commit are collected for the next one: one sync for all of
 * them.
 */
export class Appender {
  readonly #store: Store
  readonly #options: EmbeddedOptions
  readonly #appended: (log: StreamLog) => void
  readonly #builder: BlockBuilder
  #queue: Append[] = []
  #queuedBytes = 0
  #draining: Promise<void> | undefined

  /** `appended` is called once a commit for each stream that has new records. */
  constructor(store: Store, options: EmbeddedOptions, appended: (log: StreamLog) => void) {
    this.#store = store
    this.#options = options
    this.#appended = appended
    this.#builder = new BlockBuilder(options.blockBytes, options.maxEventBytes)
  }

  append(log: StreamLog, records: readonly PreparedRecord[], timeMs: number): Promise<Ack[]> {
    let bytes = 0
    for (const record of records) bytes += record.bytes
    const { maxQueuedBytes } = this.#options
    if (this.#queuedBytes > 0 && this.#queuedBytes + bytes > maxQueuedBytes) {
      throw new LimitReached(
        'publishQueue',
        'overloaded',
        `expected at most ${maxQueuedBytes} bytes queued for the embedded log's disk, got ${bytes} more than fit; ` +
          'publish again later',
      )
    }
    this.#queuedBytes += bytes
    return new Promise((resolve, reject) => {
      this.#queue.push({ log, records, timeMs, bytes, acks: new Array(records.length), resolve, reject })
      this.#draining ??= this.#drain()
    })
  }

  /** Resolves when no record waits for a commit. */
  async idle(): Promise<void> {
    await this.#draining
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      let taken: Append[] = []
      try {
        await this.#store.commit((batch) => {
          taken = this.#take()
          return this.#stage(batch, taken)
        })
      } catch (error) {
        for (const append of taken) append.reject(error)
      }
    }
    this.#draining = undefined
  }

  /**
   * Takes the publishes for one commit from the queue. Refuses those to a stream that has been
   * deleted meanwhile.
   */
  #take(): Append[] {
    const taken: Append[] = []
    let bytes = 0
    let n = 0
    for (const append of this.#queue) {
      if (n > 0 && bytes + append.bytes > this.#options.maxCommitBytes) break
      n++
      bytes += append.bytes
      if (append.log.gone) append.reject(goneMeanwhile(append.log))
      else taken.push(append)
    }
    this.#queue = this.#queue.slice(n)
    this.#queuedBytes -= bytes
    return taken
  }

  #stage(batch: Batch, taken: readonly Append[]): () => void {
    const applies: (() => void)[] = []
    for (const [partition, appends] of byPartition(taken)) applies.push(this.#write(batch, partition, appends))
    return () => {
      for (const apply of applies) apply()
      for (const append of taken) append.resolve(append.acks)
      for (const log of new Set(taken.map((append) => append.log))) this.#appended(log)
    }
  }

  /** Writes one partition's records into blocks, assigns their offsets and moves the head. */
  #write(batch: Batch, log: PartitionLog, appends: Iterable<Append>): () => void {
    const builder = this.#builder
    const { partition, id, bounds } = log
    let { head, bytes, timeMs } = bounds
    const flush = () => {
      const base = head - builder.count
      const block = builder.take(base)
      batch.putBlock(id, partition, base, block)
      bytes += block.length
    }
    for (const append of appends) {
      timeMs = Math.max(timeMs, append.timeMs)
      for (const [i, record] of append.records.entries()) {
        if (record.partition !== partition) continue
        if (!builder.fits(record, timeMs)) flush()
        builder.add(record, timeMs)
        append.acks[i] = { partition, offset: head++ }
      }
    }
    flush()
    const next = { ...bounds, head, bytes, timeMs }
    batch.putBounds(id, partition, next)
    return () => {
      log.bounds = next
      if (log.expiresMs === Number.POSITIVE_INFINITY) log.expiresMs = 0
    }
  }
}

function byPartition(taken: readonly Append[]): Map<PartitionLog, Set<Append>> {
  const partitions = new Map<PartitionLog, Set<Append>>()
  for (const append of taken) {
    for (const { partition } of append.records) {
      const log = append.log.partitions[partition]!
      const appends = partitions.get(log)
      if (appends === undefined) partitions.set(log, new Set([append]))
      else appends.add(append)
    }
  }
  return partitions
}

const goneMeanwhile = (log: StreamLog) =>
  new CarillonError(
    'stream_missing',
    `stream ${log.info.name} was deleted before the records were stored; create it again`,
  )
