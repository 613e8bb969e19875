import type { Clock } from '../base/clock.ts'
import { CarillonError } from '../base/errors.ts'
import type { SourceRecord } from '../log/record.ts'
import type { Window, WindowOptions } from '../log/window.ts'
import { rangeProblem } from '../routing/range-check.ts'
import type { RoutingTable } from '../routing/table.ts'
import type { Offsets, Source, StreamInfo, Tail, TailSink, TailState } from '../source/source.ts'
import type { StreamInstruments } from '../telemetry/instruments.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { StreamTraces } from '../telemetry/stream-traces.ts'
import { maySample } from '../telemetry/trace-context.ts'
import { type StreamFormat, streamFormatDefaults } from '../wire/stream-format.ts'
import { fillWindow } from './fill.ts'
import { Intake } from './intake.ts'
import { LiveRecord } from './live-record.ts'
import { type FillOptions, fillDefaults } from './options.ts'
import { PartitionFeed } from './partition-feed.ts'
import type { RejectedRing, RejectReason } from './rejected.ts'

/** How long to wait before asking again for a broker or a stream that is not there, ms. */
const retryMs = 1000
/** How long after the tail found the log to end below its start the broker is asked again, ms. */
const confirmMs = 1000
/** Rejected records are logged with their likely cause at most this often for each reason, ms. */
const rejectLogMs = 60_000
/** One reason why a stream can't be read, among others that take turns, is logged at most this often, ms. */
const reasonLogMs = 60_000

export interface StreamFeedOptions {
  /** The stream's name in routes and tokens. */
  readonly name: string
  /** The broker's name for it. */
  readonly topic: string
  /** What its records are; events unless given. */
  readonly format?: StreamFormat
  readonly source: Source
  readonly routing: RoutingTable
  readonly window: WindowOptions
  readonly maxEventBytes: number
  /** What is read into the windows before anybody is served; fillDefaults unless given. */
  readonly fill?: FillOptions
  /** How many partitions it is to have where it is created. */
  readonly partitions: number
  /** Create it when the broker has none, or wait for it. */
  readonly creates: boolean
  readonly instruments: StreamInstruments
  readonly rejected: RejectedRing
  readonly clock: Clock
  readonly logger: Logger
  /** The partition count changed: subscriptions are to go on where their subjects are now. */
  readonly onRepartitioned: () => void
}

export type FeedState = 'starting' | TailState

/** One stream as it is read: broker → window → hub, record by record, and its state for `/readyz`. */
export class StreamFeed implements TailSink {
  readonly name: string
  readonly partitions: PartitionFeed[] = []
  readonly live = new LiveRecord()
  readonly intake: Intake
  /** undefined until the broker has said what the stream is. */
  info: StreamInfo | undefined
  condition: FeedState = 'starting'
  /** Why it is not `up`, for people. */
  detail = 'not asked yet'
  readonly #options: StreamFeedOptions
  #tail: Tail | undefined
  #closed = false
  #cancelRetry: () => void = () => {}

  constructor(options: StreamFeedOptions) {
    this.#options = options
    this.name = options.name
    this.live.stream = options.name
    const { name, format, routing, window, maxEventBytes } = options
    this.intake = new Intake(name, format ?? streamFormatDefaults, routing, window.seed, maxEventBytes)
  }

  get topic(): string {
    return this.#options.topic
  }

  get instruments(): StreamInstruments {
    return this.#options.instruments
  }

  /** Begins to read at the head of each partition, as soon as broker and stream are there; keeps trying until closed. */
  async start(): Promise<void> {
    try {
      const opened = await this.#open()
      if (this.#closed) return
      if (opened) return
      this.#transition('missing', this.#missing())
    } catch (error) {
      if (this.#closed) return
      this.#transition('away', error instanceof Error ? error.message : String(error))
    }
    this.#cancelRetry = this.#options.clock.after(retryMs, () => void this.start())
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#cancelRetry()
    await this.#tail?.close()
  }

  // TailSink

  record(record: SourceRecord): void {
    const feed = this.partitions[record.partition]!
    const { instruments } = this
    instruments.eventsIn++
    instruments.bytesIn += record.valueEnd - record.valueStart
    if (feed.fresh) this.#begins(feed, record.offset)
    feed.lastTimeMs = record.timeMs
    const reason = this.intake.accept(record, this.partitions.length)
    if (reason !== undefined) {
      feed.misrouted ||= reason === 'misrouted'
      this.#reject(record, reason)
      feed.window.advance(record.offset + 1, record.epoch)
      return
    }
    feed.window.append(this.intake.appended)
    const { live } = this
    this.#describe(live, feed)
    instruments.publishToBroker.record(record.timeMs * 1000 - live.publishedAtUs)
    live.readAtUs = this.#options.clock.nowUs()
    instruments.brokerToRead.record(live.readAtUs - record.timeMs * 1000)
    const { buffer, traceStart, traceEnd } = record
    if (instruments.traces !== undefined && traceStart >= 0 && maySample(buffer, traceStart, traceEnd)) {
      this.#publishTraced(feed, record, instruments.traces)
    } else feed.hub.publish(live)
  }

  end(partition: number, next: number, offsets: Offsets): void {
    const feed = this.partitions[partition]!
    if (feed.fresh) this.#begins(feed, Math.min(offsets.first, next))
    feed.batchEnd(next, offsets, this.#options.clock.nowUs() / 1000)
    if (offsets.head >= next) feed.reached = true
    else if (!feed.reached) this.#options.clock.after(confirmMs, () => void this.#confirmEnd(feed))
    if (feed.parked.size > 0) for (const reader of [...feed.parked]) reader.moved()
  }

  lost(partition: number, from: number, to: number, reason: 'retention' | 'corrupt' | 'rewritten'): void {
    const feed = this.partitions[partition]!
    if (feed.fresh && reason !== 'rewritten') this.#begins(feed, from)
    this.#options.logger.log(
      'warn',
      `stream ${this.name}: offsets ${from} to ${to} of partition ${partition} are lost`,
      {
        reason,
      },
    )
    // A rewrite is told while the window still knows how far its readers were; a loss once it remembers it for them.
    if (reason !== 'rewritten') feed.window.lost(from, to, reason)
    for (const reader of [...feed.readers]) reader.lost({ from, to, reason })
    if (reason !== 'rewritten') return
    feed.window.truncate(from)
    feed.rewrites++
  }

  recreated(info: StreamInfo): void {
    this.#options.logger.log('warn', `stream ${this.name} was deleted and created again`, {
      incarnation: info.incarnation,
    })
    const before = this.partitions.length
    this.#adopt(info)
    for (const feed of this.partitions) feed.restart(info.incarnation)
    if (info.partitions === before) return
    // With another count subjects are elsewhere; partitions that are no more lose their readers.
    const gone = this.partitions.splice(info.partitions)
    this.#options.onRepartitioned()
    for (const { window } of gone) window.close()
  }

  grown(info: StreamInfo): void {
    this.#options.logger.log(
      'warn',
      `stream ${this.name} now has ${info.partitions} partitions: subjects may have moved`,
    )
    for (const feed of this.partitions) feed.regrown()
    const heads = this.partitions.map(({ window }) => window.head)
    this.#adopt(info)
    for (const feed of this.partitions.slice(heads.length)) feed.grownFrom = heads
    this.#options.onRepartitioned()
  }

  state(state: TailState, detail: string): void {
    this.#transition(state, state === 'missing' ? this.#missing() : detail)
  }

  /**
   * Reads one chunk of a partition's past into `window`, starting at `from`: read-back for what the feed's own window no
   * longer holds. The window's head is where the next chunk starts; what the broker lost on the way is in its losses. Resolves to
   * the bytes of keys and values that were read.
   */
  async readBack(partition: number, from: number, maxBytes: number, window: Window): Promise<number> {
    const feed = this.partitions[partition]!
    const { tail, tailOrdinal, size } = feed.window
    // A part of what is in memory is read along: by the time at which its readers come so far, it may have left.
    const to = size < 4 ? tail : feed.window.offsetOf(tailOrdinal + Math.floor(size / 4))
    let full = false
    let bytes = 0
    let got = Number.POSITIVE_INFINITY
    window.start(from, -1)
    this.instruments.readBacks++
    const chunk = { partition, from, to, maxBytes }
    const { next, offsets } = await this.#options.source.range(this.requireInfo(), chunk, {
      record: (record) => {
        if (full) return
        const { intake } = this
        const reason = intake.accept(record, this.partitions.length)
        const accepted = reason === undefined
        bytes += record.keyEnd - record.keyStart + record.valueEnd - record.valueStart
        feed.misrouted ||= reason === 'misrouted'
        const { eventStart, eventEnd } = intake.appended
        // Asked only for what will be stored: a record that is too large to use must not stop the stretch behind it.
        full = accepted && !window.hasRoom(eventEnd - eventStart)
        if (full) return
        got = Math.min(got, record.offset)
        if (accepted) window.append(intake.appended)
        else window.advance(record.offset + 1, record.epoch)
        this.instruments.readBackRecords++
      },
      lost: (first, last, reason) => {
        if (!full) window.lost(first, last, reason)
      },
      get full() {
        return full
      },
    })
    // The log's start may have passed `from`, before this read or while it ran: what came all the same is not lost.
    const kept = Math.min(offsets.first, got)
    if (kept > from) window.lost(from, kept - 1, 'retention')
    if (!full) window.advance(next)
    this.instruments.readBackBytes += bytes
    return bytes
  }

  /** Tails begin where a new log does, without a word; whoever stands below is told, though there may have been nothing. */
  #begins(feed: PartitionFeed, first: number): void {
    feed.fresh = false
    const { firstOffset } = feed
    if (first > firstOffset) this.lost(feed.partition, firstOffset, first - 1, 'retention')
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
    this.#addPartitions(info)
    await this.#fill(info, bounds)
    if (this.#closed) return true
    // Nobody is let in before: what is known of a subject would change under its readers.
    this.info = info
    const heads = this.partitions.map(({ window }) => window.head)
    this.#tail = source.tail(info, heads, this)
    this.#transition('up', '')
    return true
  }

  /**
   * The log was cut between the moment at which its head was asked for and the tail's first read: the tail waits beyond the end,
   * where nobody is to wait. It begins anew at the real one.
   */
  async #confirmEnd(feed: PartitionFeed): Promise<void> {
    const { source } = this.#options
    const { info } = this
    if (this.#closed || feed.reached || info === undefined) return
    const bounds = await source.offsets(info, feed.partition).catch(() => undefined)
    if (this.#closed || feed.reached || this.info !== info) return
    const { head } = feed.window
    if (bounds === undefined || bounds.head >= head) {
      this.#options.clock.after(confirmMs, () => void this.#confirmEnd(feed))
      return
    }
    this.lost(feed.partition, bounds.head, head - 1, 'rewritten')
    await this.#tail?.close()
    if (this.#closed) return
    const heads = this.partitions.map(({ window }) => window.head)
    this.#tail = source.tail(this.info, heads, this)
  }

  async #fill(info: StreamInfo, bounds: readonly Offsets[]): Promise<void> {
    const { source, clock, fill } = this.#options
    const { ageMs, budgetMs } = fill ?? fillDefaults
    for (const feed of this.partitions) {
      const place = { source, info, feed, intake: this.intake, clock }
      await fillWindow(place, bounds[feed.partition]!, ageMs, budgetMs / info.partitions)
    }
  }

  #adopt(info: StreamInfo): void {
    this.info = info
    this.#addPartitions(info)
  }

  #addPartitions(info: StreamInfo): void {
    while (this.partitions.length < info.partitions) {
      const { window, instruments, source } = this.#options
      const { length } = this.partitions
      const feed = new PartitionFeed(this.name, info.incarnation, length, window, instruments, source.firstOffset)
      feed.fresh = this.info !== undefined
      this.partitions.push(feed)
    }
    this.#checkPartitions(info.partitions)
  }

  /** The broker's count is the one that counts; who meant another one should know. */
  #checkPartitions(count: number): void {
    const { partitions, creates, routing, logger, window } = this.#options
    if (count !== partitions) {
      const said = `stream ${this.name} has ${count} partitions, where streams.${this.name}.partitions says ${partitions}`
      logger.log(creates ? 'warn' : 'info', `${said}: that counts only where the gateway creates it`)
    }
    const configs = routing.routes.map(({ config }) => config)
    const problem = rangeProblem(configs, this.name, count)
    if (problem !== '') logger.log('warn', problem)
    const { windows, isShort } = window.pool
    const raise = 'they take it from each other, and little is kept: raise window.windowMiB and window.indexMiB'
    if (isShort) logger.log('warn', `${windows} partitions are too many for the memory of their windows: ${raise}`)
  }

  #describe(live: LiveRecord, feed: PartitionFeed): void {
    const { appended, envelope } = this.intake
    live.partition = feed.partition
    live.offset = appended.offset
    live.epoch = appended.epoch
    live.nameHash = feed.nameHash
    live.incarnationHash = feed.incarnationHash
    live.hash = appended.hash
    live.buffer = appended.buffer
    live.eventStart = appended.eventStart
    live.eventEnd = appended.eventEnd
    live.subjectStart = appended.eventStart + appended.subjectAt
    live.subjectEnd = live.subjectStart + appended.subjectLength
    live.publishedAtUs = envelope.publishedAtUs > 0 ? envelope.publishedAtUs : appended.timeMs * 1000
    live.begin()
  }

  /** A record whose publisher wants a trace of it. */
  #publishTraced(feed: PartitionFeed, record: SourceRecord, traces: StreamTraces): void {
    const { live } = this
    const { buffer, traceStart: start, traceEnd: end, timeMs } = record
    live.trace = traces.begin({ buffer, start, end, timeMs }, live.readAtUs)
    const matched = feed.hub.publish(live)
    if (live.trace === undefined) return
    traces.end(live.trace, live, matched)
    live.trace = undefined
  }

  #reject(record: SourceRecord, reason: RejectReason): void {
    const { instruments, rejected, logger } = this.#options
    instruments.skipped[reason]++
    const key = record.keyStart < 0 ? undefined : record.buffer.subarray(record.keyStart, record.keyEnd)
    const detail = this.intake.cause(record, reason, this.partitions.length)
    rejected.add({
      stream: this.name,
      partition: record.partition,
      offset: record.offset,
      timeMs: record.timeMs,
      reason,
      key: key === undefined ? '' : key.toString('utf8').slice(0, 255),
      detail,
    })
    const where = `stream ${this.name}, partition ${record.partition}, offset ${record.offset}`
    logger.every(`${this.name} ${reason}`, rejectLogMs, 'warn', `record skipped (${reason}) at ${where}: ${detail}`)
  }

  #missing(): string {
    const { source, topic, partitions } = this.#options
    return `the broker has no stream "${topic}"; create it with: ${source.createCommand(topic, partitions)}`
  }

  #transition(state: TailState, detail: string): void {
    if (state === this.condition && detail === this.detail) return
    const changed = state !== this.condition
    this.condition = state
    this.detail = detail
    const { logger } = this.#options
    const news = `stream ${this.name} is ${state}: ${detail}`
    if (!changed) {
      // Another reason than before, which may go to and fro.
      logger.every(news, reasonLogMs, 'warn', news)
      return
    }
    if (state === 'away') this.instruments.outages++
    if (state === 'up') logger.log('info', `stream ${this.name} is up`, { partitions: this.partitions.length })
    else logger.log('warn', news)
  }

  /** Throws what a subscriber or publisher is to be told while the stream can't be used. */
  requireInfo(): StreamInfo {
    if (this.info !== undefined) return this.info
    const code = this.condition === 'missing' ? 'stream_missing' : 'broker_unavailable'
    throw new CarillonError(code, `stream ${this.name} is not there yet: ${this.detail}`, { retryAfterMs: retryMs })
  }
}
