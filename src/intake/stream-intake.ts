import type { Clock } from '../base/clock.ts'
import type { LostReason, SourceRecord } from '../log/record.ts'
import type { RoutingTable } from '../routing/table.ts'
import type { Chunk, Offsets, Source, StreamInfo, Tail, TailSink, TailState } from '../source/source.ts'
import type { StreamInstruments } from '../telemetry/instruments.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { StreamFormat } from '../wire/stream-format.ts'
import type { ChunkEnd, ChunkSink, EntrySink } from './entries.ts'
import { Intake } from './intake.ts'
import { Judged } from './judged.ts'
import type { RejectedRing, RejectReason } from './rejected.ts'

/** How long to wait before asking again for a broker or a stream that is not there, ms. */
export const retryMs = 1000
/** How long after the tail found the log to end below its start the broker is asked again, ms. */
const confirmMs = 1000
/** Rejected records are logged with their likely cause at most this often for each reason, ms. */
const rejectLogMs = 60_000
/** What is kept of a rejected record's key, in characters; so many are in so many bytes at least. */
const maxKeyLength = 255
const maxKeyBytes = 4 * maxKeyLength

export interface StreamIntakeOptions {
  /** The stream's name in routes and tokens. */
  readonly name: string
  /** The broker's name for it. */
  readonly topic: string
  readonly format: StreamFormat
  readonly source: Source
  readonly routing: RoutingTable
  /** Seed of the hashes that entries carry. */
  readonly seed: number
  readonly maxEventBytes: number
  /** How many partitions it is to have where it is created. */
  readonly partitions: number
  /** Create it when the broker has none, or wait for it. */
  readonly creates: boolean
  readonly instruments: StreamInstruments
  readonly rejected: RejectedRing
  readonly clock: Clock
  readonly logger: Logger
}

/** A partition from the moment at which its reading began until it is dropped, or its log becomes another one. */
interface Reading {
  /** See `hasReached`. */
  reached: boolean
  /** The broker is being asked where the log ends. */
  confirming: boolean
}

/** Rejected records of one reason, of which the last one's cause says the most. */
interface RejectedSoFar {
  readonly count: number
  readonly where: string
  readonly detail: string
}

/** One stream from the broker's records to validated entries: its tail, chunks of its past, and what can't be used of both. */
export class StreamIntake implements TailSink {
  readonly #options: StreamIntakeOptions
  readonly #sink: EntrySink
  readonly #intake: Intake
  /** undefined until the broker has said what the stream is. */
  #info: StreamInfo | undefined
  /** By partition; undefined = it is not read. */
  #readings: (Reading | undefined)[] = []
  /** By partition: which of its rejected records are counted. */
  readonly #judged: Judged[] = []
  /** While the past is loaded before the stream is served: what is to be logged of it, by reason. */
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

  /** Begins to read at the head of each partition, as soon as broker and stream are there; keeps trying until closed. */
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

  /** Reads an absent partition on from there. The stream must be up. */
  read(partition: number, from: number): void {
    this.#tail!.add(partition, from)
    this.#begin(partition, from)
  }

  /** The partition is absent from now on: nothing more is said of it. */
  drop(partition: number): void {
    this.#readings[partition] = undefined
    this.#judgedOf(partition).tailEnds(this.#sink.heads()[partition]!)
    this.#tail?.drop(partition)
  }

  // Questions; the stream must be known

  /** The partition's bounds on the broker, asked now. */
  offsets(partition: number): Promise<Offsets> {
    return this.#options.source.offsets(this.#info!, partition)
  }

  /** The first offset whose record time is ≥ `timeMs`; the head when there is none. */
  offsetAt(partition: number, timeMs: number): Promise<number> {
    return this.#options.source.offsetAt(this.#info!, partition, timeMs)
  }

  /** Reads one chunk of a partition's past: at least one record when there is one. */
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
    // The log's start may have passed its first offset, before this read or while it ran: what came all the same is not lost.
    const { first, head } = offsets
    return { next: full ? undefined : next, kept: Math.min(first, got), head, records, bytes }
  }

  /** The tail has been where it began to read the partition: until then the log may have been cut below that. */
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
    // What was asked of the log before says nothing of this one, and none of its records was counted.
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

  // The way in

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
    // It says when it reads.
    this.#tail = source.tail(info, heads, this)
    return true
  }

  /** Many records may be rejected by now, and one line says why. */
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

  #judgedOf(partition: number): Judged {
    this.#judged[partition] ??= new Judged()
    return this.#judged[partition]
  }

  /** Reads the partitions from this number on, which are new, from their beginning: whatever becomes of whoever is told of them. */
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
   * The log was cut between the moment at which its head was asked for and the tail's first read: the tail waits beyond the end,
   * where nobody is to wait. It reads on from the real one.
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

  /** A record of a stretch of the past that is read from `from` on: it counts where it did not before. */
  #rejectPast(record: SourceRecord, reason: RejectReason, from: number): void {
    const judged = this.#judgedOf(record.partition)
    if (!judged.has(record.offset)) this.#reject(record, reason)
    judged.add(from, record.offset + 1)
  }

  #reject(record: SourceRecord, reason: RejectReason): void {
    const { name, instruments, rejected } = this.#options
    instruments.skipped[reason]++
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
