import type { Clock } from '../base/clock.ts'
import type { RejectReason } from '../base/reject-reasons.ts'
import type { LostReason, SourceRecord } from '../log/record.ts'
import type { RoutingTable } from '../routing/table.ts'
import type { Chunk, Offsets, Source, StreamInfo, Tail, TailSink, TailState } from '../source/source.ts'
import type { StreamInstruments } from '../telemetry/instruments.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { StreamFormat } from '../wire/stream-format.ts'
import { CountedOffsets } from './counted-offsets.ts'
import type { ChunkEnd, ChunkSink, EntrySink } from './entries.ts'
import { Intake } from './intake.ts'
import type { RejectedRing } from './rejected.ts'

/** Delay before asking again for a missing broker or stream, ms. */
export const retryMs = 1000
/**
 * Delay before asking the broker again, after the tail found that the log ends below the tail's
 * start, ms.
 */
const confirmMs = 1000
/** Minimum interval between log messages about rejected records, per reason, ms. */
const rejectLogMs = 60_000
/**
 * Maximum characters to keep of a rejected record's key. For UTF-8, 4 bytes per character
 * suffice.
 */
const maxKeyLength = 255
const maxKeyBytes = 4 * maxKeyLength

export interface StreamIntakeOptions {
  /** The stream's name in routes and tokens. */
  readonly name: string
  /** The stream's name on the broker. */
  readonly topic: string
  readonly format: StreamFormat
  readonly source: Source
  readonly routing: RoutingTable
  /** Seed of the entries' hashes. */
  readonly seed: number
  readonly maxEventBytes: number
  /** Number of partitions when the stream is created. */
  readonly partitions: number
  /** Whether to create a missing stream, or to wait for it. */
  readonly creates: boolean
  readonly instruments: StreamInstruments
  readonly rejected: RejectedRing
  readonly clock: Clock
  readonly logger: Logger
}

/**
 * The reading of one partition, from its start until the partition is dropped or its log is
 * replaced.
 */
interface Reading {
  /** See `hasReached`. */
  reached: boolean
  /** A question to the broker about the log's end is under way. */
  confirming: boolean
}

/**
 * Rejected records of one reason; `where` and `detail` are of the last one, whose cause is the
 * best informed.
 */
interface RejectedSoFar {
  readonly count: number
  readonly where: string
  readonly detail: string
}

/**
 * Reads one stream and validates its records: its tail, chunks of its past, and rejected records
 * of both.
 */
export class StreamIntake implements TailSink {
  readonly #options: StreamIntakeOptions
  readonly #sink: EntrySink
  readonly #intake: Intake
  /** undefined until the broker has described the stream. */
  #info: StreamInfo | undefined
  /** By partition; undefined = not being read. */
  #readings: (Reading | undefined)[] = []
  /** By partition: the offsets whose rejected records have been counted. */
  readonly #judged: CountedOffsets[] = []
  /** Rejected records to log, by reason, while the past is loaded before the stream is served. */
  #unlogged: Map<RejectReason, RejectedSoFar> | undefined
  #tail: Tail | undefined
  #closed = false
  #cancelRetry: () => void = () => {}

  constructor(options: StreamIntakeOptions, sink: EntrySink) {
    this.#options = options
    this.#sink = sink
    const { name, format, routing, seed, maxEventBytes } = options
    this.#intake = new Intake({ stream: name, format, routing, seed, maxEventBytes })
  }

  /**
   * Starts to read at the head of each partition once broker and stream are available. Retries
   * until closed.
   */
  async start(): Promise<void> {
    try {
      const opened = await this.#open()
      if (this.#closed || opened) return
      this.state('missing', '')
    } catch (error) {
      if (this.#closed) return
      this.#sink.unopened(error)
    }
    this.#cancelRetry = this.#options.clock.after(retryMs, () => void this.start())
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelRetry()
    await this.#tail?.close()
  }

  /** Starts to read an absent partition at `from`. The stream must be up. */
  read(partition: number, from: number): void {
    this.#tail!.add(partition, from)
    this.#begin(partition, from)
  }

  /** Makes the partition absent: no more calls for it follow. */
  drop(partition: number): void {
    this.#readings[partition] = undefined
    this.#judgedOf(partition).tailEnds(this.#sink.heads()[partition]!)
    this.#tail?.drop(partition)
  }

  // Questions to the broker; the stream must be known

  /** Asks for the partition's bounds on the broker. */
  offsets(partition: number): Promise<Offsets> {
    return this.#options.source.offsets(this.#info!, partition)
  }

  /** Asks for the first offset whose record time is ≥ `timeMs`; the head if none. */
  offsetAt(partition: number, timeMs: number): Promise<number> {
    return this.#options.source.offsetAt(this.#info!, partition, timeMs)
  }

  /** Reads one chunk of a partition's past: at least one record if there is one. */
  async load(chunk: Chunk, sink: ChunkSink): Promise<ChunkEnd> {
    let full = false
    let records = 0
    let bytes = 0
    let got = Number.POSITIVE_INFINITY
    const { next, offsets } = await this.#options.source.range(this.#info!, chunk, {
      record: (record) => {
        if (full) return
        const reason = this.#intake.accept(record, this.#info!.partitions)
        bytes += record.keyEnd - record.keyStart + record.valueEnd - record.valueStart
        if (reason === undefined) full = !sink.entry(this.#intake.entry)
        else {
          this.#rejectPast(record, reason, chunk.from)
          sink.rejected(record, reason)
        }
        if (full) return
        records++
        got = Math.min(got, record.offset)
      },
      lost: (first, last, reason) => {
        if (!full) sink.lost(first, last, reason)
      },
      get full() {
        return full || sink.full === true
      },
    })
    // Retention may have passed the chunk's first records, before or during this read. Records
    // that arrived all the same are not lost.
    const { first, head } = offsets
    return { next: full ? undefined : next, kept: Math.min(first, got), head, records, bytes }
  }

  /**
   * Returns whether the tail has reached the offset at which it began to read the partition.
   * Until then the log may have been cut below it.
   */
  hasReached(partition: number): boolean {
    return this.#readings[partition]?.reached === true
  }

  // TailSink

  record(record: SourceRecord): void {
    const { instruments } = this.#options
    instruments.eventsIn++
    instruments.bytesIn += record.valueEnd - record.valueStart
    const reason = this.#intake.accept(record, this.#info!.partitions)
    if (reason === undefined) {
      this.#sink.entry(record.partition, this.#intake.entry)
      return
    }
    this.#reject(record, reason)
    this.#sink.rejected(record.partition, record, reason)
  }

  end(partition: number, next: number, offsets: Offsets): void {
    const reading = this.#readings[partition]!
    if (offsets.head >= next) reading.reached = true
    else if (!reading.reached && !reading.confirming) this.#confirmSoon(partition, reading)
    this.#sink.end(partition, next, offsets)
  }

  lost(partition: number, from: number, to: number, reason: LostReason): void {
    if (reason === 'rewritten') this.#judgedOf(partition).rewritten(from)
    this.#sink.lost(partition, from, to, reason)
  }

  recreated(info: StreamInfo): void {
    this.#options.logger.log('warn', `stream ${this.#options.name} was deleted and created again`, {
      incarnation: info.incarnation,
    })
    const before = this.#info!.partitions
    this.#info = info
    // Pending questions are about the previous log, and no record of this one has been counted.
    const kept = this.#readings.slice(0, info.partitions)
    this.#readings = kept.map((reading) => reading && { reached: reading.reached, confirming: false })
    this.#judged.length = 0
    kept.forEach((reading, partition) => {
      if (reading !== undefined) this.#judgedOf(partition).tailFrom = 0
    })
    this.#readFrom(before)
    this.#sink.recreated(info)
  }

  grown(info: StreamInfo): void {
    this.#options.logger.log(
      'warn',
      `stream ${this.#options.name} now has ${info.partitions} partitions: subjects may have moved`,
    )
    const before = this.#info!.partitions
    this.#info = info
    this.#readFrom(before)
    this.#sink.grown(info)
  }

  state(state: TailState, detail: string): void {
    this.#sink.state(state, state === 'missing' ? this.#missing() : detail)
  }

  // Opening

  async #open(): Promise<boolean> {
    const { source, topic, partitions, creates } = this.#options
    let info = await source.describe(topic)
    if (info === undefined && creates) {
      await source.create(topic, partitions)
      info = await source.describe(topic)
    }
    if (info === undefined) return false
    const bounds: Offsets[] = []
    for (let partition = 0; partition < info.partitions; partition++) {
      bounds.push(await source.offsets(info, partition))
    }
    if (this.#closed) return true
    if (this.#info?.incarnation !== info.incarnation) this.#judged.length = 0
    this.#info = info
    await this.#opened(info, bounds)
    if (this.#closed) return true
    const heads = this.#sink.heads()
    heads.forEach((head, partition) => {
      if (head !== undefined) this.#begin(partition, head)
    })
    // The tail reports when it reads.
    this.#tail = source.tail(info, heads, this)
    return true
  }

  /**
   * Logs the records rejected during loading: there may be many, and one line per reason is
   * enough.
   */
  async #opened(info: StreamInfo, bounds: readonly Offsets[]): Promise<void> {
    this.#unlogged = new Map()
    try {
      await this.#sink.opened(info, bounds)
    } finally {
      for (const [reason, { count, where, detail }] of this.#unlogged) {
        const what = count === 1 ? '1 record' : `${count} records`
        this.#logRejected(
          reason,
          `${what} from before the start skipped (${reason}), the last one at ${where}: ${detail}`,
        )
      }
      this.#unlogged = undefined
    }
  }

  #begin(partition: number, from: number): void {
    this.#readings[partition] = { reached: false, confirming: false }
    this.#judgedOf(partition).tailFrom = from
  }

  #judgedOf(partition: number): CountedOffsets {
    this.#judged[partition] ??= new CountedOffsets()
    return this.#judged[partition]
  }

  /**
   * Reads new partitions, from number `first` on, from their beginning, regardless of what the
   * sink does when it hears of them.
   */
  #readFrom(first: number): void {
    for (let partition = first; partition < this.#info!.partitions; partition++) {
      this.#tail?.add(partition)
      this.#begin(partition, 0)
    }
  }

  #confirmSoon(partition: number, reading: Reading): void {
    reading.confirming = true
    this.#options.clock.after(confirmMs, () => void this.#confirmEnd(partition, reading))
  }

  /**
   * Handles a log that was cut after its head was asked for and before the tail's first read. The
   * tail then waits beyond the log's end, and must read on from the actual end.
   */
  async #confirmEnd(partition: number, reading: Reading): Promise<void> {
    const isOver = () => this.#closed || reading.reached || this.#readings[partition] !== reading
    if (isOver()) return
    const bounds = await this.offsets(partition).catch(() => undefined)
    if (isOver()) return
    const next = this.#sink.heads()[partition]!
    if (bounds === undefined || bounds.head >= next) {
      this.#confirmSoon(partition, reading)
      return
    }
    reading.confirming = false
    this.lost(partition, bounds.head, next - 1, 'rewritten')
    this.#tail!.drop(partition)
    this.#tail!.add(partition, bounds.head)
  }

  /**
   * Rejects a record in a stretch of the past that is read from `from` on. Counts it only once.
   */
  #rejectPast(record: SourceRecord, reason: RejectReason, from: number): void {
    const judged = this.#judgedOf(record.partition)
    if (!judged.has(record.offset)) this.#reject(record, reason)
    judged.add(from, record.offset + 1)
  }

  #reject(record: SourceRecord, reason: RejectReason): void {
    const { name, instruments, rejected } = this.#options
    instruments.rejected[reason]++
    const key = record.keyStart < 0 ? undefined : record.buffer.subarray(record.keyStart, record.keyEnd)
    const detail = this.#intake.cause(record, reason, this.#info!.partitions)
    rejected.add({
      stream: name,
      partition: record.partition,
      offset: record.offset,
      timeMs: record.timeMs,
      reason,
      key: key === undefined ? '' : key.toString('utf8', 0, maxKeyBytes).slice(0, maxKeyLength),
      detail,
    })
    const where = `stream ${name}, partition ${record.partition}, offset ${record.offset}`
    if (this.#unlogged === undefined) {
      this.#logRejected(reason, `record skipped (${reason}) at ${where}: ${detail}`)
      return
    }
    const count = (this.#unlogged.get(reason)?.count ?? 0) + 1
    this.#unlogged.set(reason, { count, where, detail })
  }

  #logRejected(reason: RejectReason, message: string): void {
    const { name, logger } = this.#options
    logger.every({ key: `${name} ${reason}`, ms: rejectLogMs }, 'warn', message)
  }

  #missing(): string {
    const { source, topic, partitions } = this.#options
    return `the broker has no stream "${topic}"; create it with: ${source.createCommand(topic, partitions)}`
  }
}
