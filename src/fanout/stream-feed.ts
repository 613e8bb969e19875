import type { Clock } from '../base/clock.ts'
import { CarillonError, errors } from '../base/errors.ts'
import type { RejectReason } from '../base/reject-reasons.ts'
import type { Entry, EntrySink, RejectedRecord } from '../intake/entries.ts'
import { retryMs, StreamIntake, type StreamIntakeOptions } from '../intake/stream-intake.ts'
import type { LostReason } from '../log/record.ts'
import type { WindowOptions } from '../log/window.ts'
import { rangeProblem } from '../routing/range-check.ts'
import type { Offsets, StreamInfo, TailState } from '../source/source.ts'
import type { StreamInstruments } from '../telemetry/instruments.ts'
import type { StreamTraces } from '../telemetry/stream-traces.ts'
import { maySample } from '../telemetry/trace-context.ts'
import { fillWindow, type LeftOver } from './fill.ts'
import { type FillOptions, fillDefaults, noFill } from './options.ts'
import { OutgoingRecord } from './outgoing-record.ts'
import { PartitionFeed } from './partition-feed.ts'

/** Minimum interval between log messages with the same reason, ms: reasons may alternate. */
const reasonLogMs = 60_000

export interface StreamFeedOptions extends Omit<StreamIntakeOptions, 'seed'> {
  readonly window: WindowOptions
  /** How much to read into the windows before serving clients; default fillDefaults. */
  readonly fill?: FillOptions
  /** Receives what a fill has read and could not use, see `fillWindow`. */
  readonly leftOver: (stretch: LeftOver) => void
  /**
   * Called when the partition count has changed: subscriptions must move to their subjects'
   * current partitions.
   */
  readonly onRepartitioned: () => void
}

export type FeedState = 'starting' | TailState

/**
 * One stream as this gateway serves it. Puts each entry into window and hub, and has the stream's
 * state for `/readyz`.
 */
export class StreamFeed implements EntrySink {
  readonly name: string
  readonly partitions: PartitionFeed[] = []
  readonly live = new OutgoingRecord()
  readonly intake: StreamIntake
  /** undefined until clients may be served. */
  info: StreamInfo | undefined
  condition: FeedState = 'starting'
  /** Why the state is not `up`, or what needs attention although it is, as text for people. */
  detail = 'not asked yet'
  /** Whether all partitions have been read since this gateway started. */
  wasRead = false
  /** The broker refused it for good before it could be served. */
  #isRefused = false
  readonly #options: StreamFeedOptions
  readonly #clock: Clock

  constructor(options: StreamFeedOptions) {
    this.#options = options
    this.#clock = options.clock
    this.name = options.name
    this.live.stream = options.name
    this.intake = new StreamIntake({ ...options, seed: options.window.seed }, this)
  }

  get topic(): string {
    return this.#options.topic
  }

  get instruments(): StreamInstruments {
    return this.#options.instruments
  }

  /**
   * Returns the stream's description, or throws the error for clients while the stream is
   * unavailable.
   */
  requireInfo(): StreamInfo {
    if (this.info !== undefined) return this.info
    const { condition } = this
    const passing = condition === 'missing' ? 'stream_missing' : 'broker_unavailable'
    const code = this.#isRefused ? 'stream_unusable' : passing
    throw new CarillonError(code, `stream ${this.name} is not available yet: ${this.detail}`, { retryAfterMs: retryMs })
  }

  /** Whether the broker has described the stream, said that it is missing, or refused it for good. */
  get known(): boolean {
    return this.info !== undefined || this.condition === 'missing' || this.#isRefused
  }

  /** Returns the partition's feed. Throws while clients can't subscribe there. */
  requireLive(partition: number): PartitionFeed {
    const feed = this.partitions[partition]!
    if (feed.phase === 'live') return feed
    const message = `partition ${partition} of stream ${this.name} is not read by this gateway yet`
    throw new CarillonError('broker_unavailable', message, { retryAfterMs: retryMs })
  }

  /**
   * Starts to serve an absent partition: fills its window, then follows the log from there.
   * Rejects if the broker doesn't answer.
   */
  take(partition: number): Promise<void> {
    return this.#inTurn(partition, (feed) => this.#take(feed))
  }

  /** Makes the partition absent. No reader may be left. */
  leave(partition: number): Promise<void> {
    return this.#inTurn(partition, (feed) => this.#leave(feed))
  }

  // EntrySink

  unopened(error: unknown): void {
    const isSaid = error instanceof CarillonError
    this.#isRefused = isSaid && (error.code === 'stream_unusable' || errors[error.code].retry === 'no')
    this.state('away', error instanceof Error ? error.message : String(error))
  }

  async opened(info: StreamInfo, bounds: readonly Offsets[]): Promise<void> {
    this.#addPartitions(info)
    let { ageMs } = this.#options.fill ?? fillDefaults
    for (const feed of this.partitions) {
      feed.phase = 'filling'
      // A broker that has delayed one read would delay the others as well.
      if (!(await this.#fill(feed, bounds[feed.partition]!, ageMs))) ageMs = noFill
      feed.phase = 'live'
    }
    // No client is let in earlier: its readers would see the index of a subject change.
    this.info = info
    if (this.condition === 'starting') this.detail = 'its partitions are not read yet'
  }

  heads(): (number | undefined)[] {
    return this.partitions.map(({ phase, window }) => (phase === 'live' ? window.head : undefined))
  }

  entry(partition: number, entry: Entry): void {
    const feed = this.partitions[partition]!
    feed.lastTimeMs = entry.timeMs
    feed.window.append(entry)
    const { live, instruments } = this
    live.describe(feed, entry)
    instruments.publishToBroker.record(entry.timeMs * 1000 - live.publishedAtUs)
    live.readAtUs = this.#clock.nowUs()
    instruments.brokerToRead.record(live.readAtUs - entry.timeMs * 1000)
    const { traceBuffer, traceStart, traceEnd } = entry
    if (instruments.traces !== undefined && traceStart >= 0 && maySample(traceBuffer, traceStart, traceEnd)) {
      this.#publishTraced(feed, entry, instruments.traces)
    } else feed.hub.publish(live)
  }

  rejected(partition: number, record: RejectedRecord, reason: RejectReason): void {
    const feed = this.partitions[partition]!
    feed.lastTimeMs = record.timeMs
    feed.passed(feed.window, record, reason)
  }

  end(partition: number, next: number, offsets: Offsets): void {
    const feed = this.partitions[partition]!
    feed.batchEnd(next, offsets, this.#clock.nowUs() / 1000)
    if (feed.parked.size > 0) for (const reader of [...feed.parked]) reader.moved()
  }

  lost(partition: number, from: number, to: number, reason: LostReason): void {
    const message = `stream ${this.name}: offsets ${from} to ${to} of partition ${partition} are lost`
    this.#options.logger.log('warn', message, { reason })
    this.partitions[partition]!.lost({ from, to, reason })
  }

  recreated(info: StreamInfo): void {
    const before = this.partitions.length
    this.#adopt(info)
    for (const feed of this.partitions) feed.restart(info.incarnation)
    if (info.partitions === before) return
    // With another partition count, subjects move. Partitions that no longer exist lose their
    // readers.
    const gone = this.partitions.splice(info.partitions)
    this.#options.onRepartitioned()
    for (const { window } of gone) window.close()
  }

  grown(info: StreamInfo): void {
    for (const feed of this.partitions) feed.regrown()
    const heads = this.heads()
    this.#adopt(info)
    for (const feed of this.partitions.slice(heads.length)) feed.grownFrom = heads
    this.#options.onRepartitioned()
  }

  state(state: TailState, detail: string): void {
    if (state === this.condition && detail === this.detail) return
    const changed = state !== this.condition
    if (state === 'up') this.wasRead = true
    this.condition = state
    if (state !== 'away') this.#isRefused = false
    this.detail = detail
    const { logger } = this.#options
    if (changed && state === 'away') this.instruments.outages++
    if (changed && state === 'up') {
      logger.log('info', `stream ${this.name} is up`, { partitions: this.partitions.length })
    }
    const { trouble } = this
    if (trouble === undefined) return
    if (changed && state !== 'up') logger.log('warn', trouble)
    // The reason has changed, and may keep changing.
    else logger.every({ key: trouble, ms: reasonLogMs }, 'warn', trouble)
  }

  /** Describes the current problem for people; undefined = none. */
  get trouble(): string | undefined {
    const { name, condition, detail } = this
    if (condition !== 'up') return `stream ${name} is ${condition}: ${detail}`
    return detail === '' ? undefined : `stream ${name} is read, but ${detail}`
  }

  #inTurn(partition: number, act: (feed: PartitionFeed) => Promise<void>): Promise<void> {
    const feed = this.partitions[partition]!
    const turn = feed.turn.then(() => act(feed))
    feed.turn = turn.catch(() => {})
    return turn
  }

  async #take(feed: PartitionFeed): Promise<void> {
    const { partition } = feed
    if (feed.phase !== 'absent') return
    feed.phase = 'filling'
    let rewrites: number
    try {
      do {
        rewrites = feed.rewrites
        await this.#fill(feed, await this.intake.offsets(partition))
        // If the log was replaced meanwhile, fill from the new one.
      } while (feed.rewrites !== rewrites)
    } catch (error) {
      feed.phase = 'absent'
      throw error
    }
    // A log that was created again may have fewer partitions.
    if (this.partitions[partition] !== feed) return
    feed.phase = 'live'
    this.intake.read(partition, feed.window.head)
  }

  async #leave(feed: PartitionFeed): Promise<void> {
    const { partition, readers } = feed
    if (feed.phase !== 'live' || this.partitions[partition] !== feed) return
    if (readers.size > 0) throw new Error(`${readers.size} readers are left in partition ${partition} of ${this.name}`)
    this.intake.drop(partition)
    feed.leave()
  }

  /** Fills the window. Returns false if the broker was too slow. */
  #fill(feed: PartitionFeed, bounds: Offsets, ageMs?: number): Promise<boolean> {
    const all = this.#options.fill ?? fillDefaults
    const share = { ageMs: ageMs ?? all.ageMs, budgetMs: all.budgetMs / this.partitions.length }
    const { leftOver } = this.#options
    return fillWindow({ intake: this.intake, feed, clock: this.#clock, leftOver }, bounds, share)
  }

  /** Publishes a record whose publisher asked for a trace. */
  #publishTraced(feed: PartitionFeed, entry: Entry, traces: StreamTraces): void {
    const { live } = this
    const { traceBuffer: buffer, traceStart: start, traceEnd: end, timeMs } = entry
    live.trace = traces.begin({ buffer, start, end, timeMs }, live.readAtUs)
    const matched = feed.hub.publish(live)
    if (live.trace === undefined) return
    traces.end(live.trace, live, matched)
    live.trace = undefined
  }

  /**
   * Adopts a changed stream. Partitions that appear while it is served are read from their
   * beginning.
   */
  #adopt(info: StreamInfo): void {
    const known = this.partitions.length
    this.info = info
    this.#addPartitions(info)
    for (const feed of this.partitions.slice(known)) feed.phase = 'live'
  }

  #addPartitions(info: StreamInfo): void {
    while (this.partitions.length < info.partitions) {
      const { window, instruments, source } = this.#options
      const served = { stream: this.name, incarnation: info.incarnation, partition: this.partitions.length }
      const feed = new PartitionFeed({ ...served, firstOffset: source.firstOffset }, window, instruments)
      this.partitions.push(feed)
    }
    this.#checkPartitions(info.partitions)
  }

  /**
   * Warns if the broker's partition count, which is authoritative, differs from the
   * configuration's.
   */
  #checkPartitions(count: number): void {
    const { partitions, creates, routing, logger, window } = this.#options
    if (count !== partitions) {
      const message = `stream ${this.name} has ${count} partitions, but streams.${this.name}.partitions is ${partitions}`
      logger.log(creates ? 'warn' : 'info', `${message}: the option applies only when the gateway creates the stream`)
    }
    const configs = routing.routes.map(({ config }) => config)
    const problem = rangeProblem(configs, this.name, count)
    if (problem !== '') logger.log('warn', problem)
    const { windows, isShort } = window.pool
    const raise = 'they keep evicting each other: raise window.windowMiB and window.indexMiB'
    if (isShort) logger.log('warn', `${windows} partitions are too many for the memory of their windows: ${raise}`)
  }
}
