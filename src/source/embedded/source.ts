import type { LoopClock } from '../../base/clock.ts'
import { CarillonError } from '../../base/errors.ts'
import { noPartition } from '../partitions.ts'
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
import { turnWeight } from '../turn-weight.ts'
import { Appender } from './appender.ts'
import type { EmbeddedOptions } from './options.ts'
import { BlockReader } from './reader.ts'
import { prepare } from './record.ts'
import type { Store } from './store.ts'
import { PartitionLog, StreamLog } from './stream.ts'
import { Sweeper } from './sweeper.ts'
import { EmbeddedTail, type TailOwner } from './tail.ts'

/** The resources that the log uses. */
export interface EmbeddedOwner extends SourceContext {
  /** Used by this source only. */
  readonly store: Store
  /** Source of record times and of the retention schedule. */
  readonly clock: LoopClock
  /** Returns a unique name for a stream that is created. */
  newIncarnation(): string
  /** Releases the directory, once the store is closed. */
  release(): Promise<void>
}

/** The store's keys have 16 bits for a partition number; a single host can use fewer. */
const maxPartitions = 4096
/** Records that a range read shows before the event loop gets its turn, by `turnWeight`. */
const turnRecords = 128
/** Kafka's rule, so that a stream can be moved to Kafka under its name. */
const streamName = /^[A-Za-z0-9._-]{1,249}$/

/**
 * The Source contract on a durable log in this process. In addition it can delete, grow and
 * truncate streams.
 */
export class EmbeddedSource implements Source {
  readonly kind = 'embedded'
  readonly firstOffset = 0
  readonly generations = 'ranges'
  readonly name: string
  readonly #options: EmbeddedOptions
  readonly #clock: LoopClock
  readonly #store: Store
  readonly #host: EmbeddedOwner
  readonly #reader: BlockReader
  readonly #appender: Appender
  readonly #sweeper: Sweeper
  readonly #streams = new Map<string, StreamLog>()
  readonly #tails = new Set<EmbeddedTail>()
  readonly #tailHost: TailOwner
  #lastId: number
  #closing: Promise<void> | undefined

  constructor(options: EmbeddedOptions, host: EmbeddedOwner) {
    const { store, clock } = host
    this.name = `embedded:${options.dir}`
    this.#options = options
    this.#host = host
    this.#clock = clock
    this.#store = store
    this.#reader = new BlockReader(store)
    this.#appender = new Appender(store, options, (log) => this.#wake(log.info.name))
    this.#lastId = store.lastId()
    for (const [name, stored] of store.streams()) this.#streams.set(name, this.#stream(name, stored))
    this.#sweeper = new Sweeper(options, host, () => this.#streams.values())
    this.#sweeper.start()
    this.#tailHost = {
      reader: this.#reader,
      host,
      turnRecords: options.turnRecords,
      find: (stream) => this.#streams.get(stream),
      closed: (tail) => this.#tails.delete(tail),
    }
  }

  async describe(stream: string): Promise<StreamInfo | undefined> {
    this.#expectOpen()
    return this.#streams.get(stream)?.info
  }

  async create(stream: string, partitions: number): Promise<void> {
    this.#expectOpen()
    expectName(stream)
    expectPartitions(partitions)
    await this.#store.commit((batch) => {
      if (this.#streams.has(stream)) return () => {}
      const stored = { id: this.#lastId + 1, incarnation: this.#host.newIncarnation(), partitions }
      batch.putStream(stream, stored)
      batch.putLastId(stored.id)
      return () => {
        this.#lastId = stored.id
        this.#streams.set(stream, this.#stream(stream, stored))
        this.#wake(stream)
      }
    })
  }

  /** Only the process that has the log open can create a stream in it. */
  createCommand(stream: string, partitions: number): string {
    return `carillon serve --broker ${this.name} --create-topics  # creates ${stream} with ${partitions} partitions`
  }

  /**
   * Deletes the stream, its offsets and its incarnation at once, and its records in the
   * background; also resolves if it does not exist.
   */
  async delete(stream: string): Promise<void> {
    this.#expectOpen()
    await this.#store.commit((batch) => {
      const log = this.#streams.get(stream)
      if (log === undefined) return () => {}
      batch.doom(stream, log.stored)
      return () => {
        log.gone = true
        this.#streams.delete(stream)
        this.#sweeper.doom(log.stored.id, log.stored.partitions)
        this.#wake(stream)
      }
    })
  }

  /**
   * Raises the number of partitions; the stream keeps its incarnation. Also resolves if it has as
   * many or more.
   */
  async grow(stream: string, partitions: number): Promise<void> {
    this.#expectOpen()
    expectPartitions(partitions)
    await this.#store.commit((batch) => {
      const log = this.#streams.get(stream)
      if (log === undefined) throw missing(stream)
      if (log.stored.partitions >= partitions) return () => {}
      const stored = { ...log.stored, partitions }
      batch.putStream(stream, stored)
      return () => {
        log.grow(stored, this.#partitions(stored).slice(log.stored.partitions))
        this.#wake(stream)
      }
    })
  }

  /**
   * Drops records below `offset`, or below the head if that is lower; readers get them as lost to
   * retention.
   */
  async dropBefore(stream: StreamInfo, partition: number, offset: number): Promise<void> {
    await this.#sweeper.dropBefore(this.#partition(stream, partition), offset)
  }

  async offsets(stream: StreamInfo, partition: number): Promise<Offsets> {
    return this.#partition(stream, partition).offsets
  }

  async offsetAt(stream: StreamInfo, partition: number, timeMs: number): Promise<number> {
    await undefined
    return this.#reader.offsetAt(this.#partition(stream, partition), timeMs)
  }

  tail(stream: StreamInfo, from: readonly (number | undefined)[], sink: TailSink): Tail {
    this.#expectOpen()
    const tail = new EmbeddedTail(this.#tailHost, stream, from, sink)
    this.#tails.add(tail)
    return tail
  }

  async range(stream: StreamInfo, chunk: Chunk, sink: RangeSink): Promise<RangeEnd> {
    const { partition, from, to, maxBytes } = chunk
    // A sink may have called this while its block is in the buffer that this read overwrites.
    await undefined
    const log = this.#partition(stream, partition)
    const end = Math.min(to, log.bounds.head)
    let { first } = log.bounds
    let next = Math.max(from, first)
    let bytes = 0
    let shown = 0
    const began = next
    while (next < end && bytes < maxBytes && sink.full !== true) {
      if (shown >= turnRecords) {
        shown = 0
        await new Promise<void>((resolve) => this.#clock.turn(resolve))
        // The next read, which begins there, reports what retention took meanwhile.
        if (this.#partition(stream, partition) !== log || log.bounds.first > next) break
      }
      const start = next
      next = this.#reader.read(log, start, end, {
        record(record) {
          sink.record(record)
          shown += turnWeight(record)
          bytes += Math.max(0, record.keyEnd - record.keyStart) + Math.max(0, record.valueEnd - record.valueStart)
          return bytes < maxBytes
        },
        lost: (lowest, highest) => sink.lost(lowest, highest, 'corrupt'),
        dropped(lowest) {
          first = lowest
        },
      })
      if (first > start && start > began) return { next: start, offsets: { ...log.offsets, first } }
    }
    return { next, offsets: { ...log.offsets, first: Math.max(first, log.bounds.first) } }
  }

  async publish(stream: StreamInfo, records: readonly OutRecord[]): Promise<Ack[]> {
    const log = this.#log(stream)
    for (const { partition } of records) this.#partition(stream, partition)
    const prepared = records.map((record) => prepare(record, this.#options.maxEventBytes))
    if (prepared.length === 0) return []
    return this.#appender.append(log, prepared, Math.floor(this.#clock.nowUs() / 1000))
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    this.#sweeper.stop()
    await Promise.all([...this.#tails].map((tail) => tail.close()))
    await this.#appender.idle()
    await this.#store.close()
    await this.#host.release()
  }

  #stream(name: string, stored: StreamLog['stored']): StreamLog {
    return new StreamLog(name, stored, this.#partitions(stored))
  }

  #partitions(stored: StreamLog['stored']): PartitionLog[] {
    const { id, partitions } = stored
    return Array.from({ length: partitions }, (_, p) => new PartitionLog(id, p, this.#store.bounds(id, p)))
  }

  #wake(stream: string): void {
    for (const tail of this.#tails) if (tail.stream === stream) tail.wake()
  }

  #log(stream: StreamInfo): StreamLog {
    this.#expectOpen()
    const log = this.#streams.get(stream.name)
    if (log === undefined || log.info.incarnation !== stream.incarnation) throw missing(stream.name)
    return log
  }

  #partition(stream: StreamInfo, partition: number): PartitionLog {
    const log = this.#log(stream)
    const found = log.partitions[partition]
    if (found === undefined) throw noPartition(log.info, partition)
    return found
  }

  #expectOpen(): void {
    if (this.#closing === undefined) return
    throw new CarillonError('broker_unavailable', `expected an open log, but ${this.name} was closed; open it again`)
  }
}

const missing = (stream: string) =>
  new CarillonError(
    'stream_missing',
    `expected stream ${stream} in the embedded log, found none or another that was created under its name; ` +
      'create it or describe it again',
  )

function expectName(stream: string): void {
  if (streamName.test(stream)) return
  throw new CarillonError(
    'bad_request',
    `expected a stream name of 1 to 249 letters, digits, ".", "_" and "-", got ${JSON.stringify(stream)}; rename it`,
  )
}

function expectPartitions(partitions: number): void {
  if (Number.isInteger(partitions) && partitions >= 1 && partitions <= maxPartitions) return
  throw new CarillonError('bad_request', `expected 1 to ${maxPartitions} partitions, got ${partitions}`)
}
