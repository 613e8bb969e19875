import type { LoopClock } from '../../base/clock.ts'
import { Pause } from '../pause.ts'
import type { TailSink } from '../source.ts'
import { BatchDecoder, type BatchOutcome } from './batch-decoder.ts'
import type { BrokerSet } from './broker-set.ts'
import type { Cursor } from './cursor.ts'
import { ByteWriter } from './encoding.ts'
import {
  type Divergence,
  type Fetched,
  type FetchedPartition,
  type FetchLimits,
  fetchRequest,
} from './fetch-request.ts'
import type { KafkaOptions } from './options.ts'
import { Pace } from './pace.ts'

/**
 * Offsets that cannot be read. If the data is damaged, the bounds are as good as the header
 * allows.
 */
export interface UnreadableBatch {
  readonly first: number
  /** undefined = unknown extent. */
  readonly last: number | undefined
  readonly problem: string
}

/** The interface of the tail to its fetch loops. */
export interface FetchOwner {
  readonly options: KafkaOptions
  readonly clock: LoopClock
  readonly brokers: BrokerSet
  readonly sink: TailSink
  readonly cursors: readonly Cursor[]
  readonly topicId: string
  readonly closed: boolean
  /** Reports that the broker cannot be reached or did not answer. */
  brokerFailed(nodeId: number, cursors: readonly Cursor[], error: Error): void
  /** Reports an answer without an error: the partition can be read. */
  succeeded(cursor: Cursor): void
  /**
   * Handles an error code for the partition. Resolves when the cursor is ready for the next
   * fetch.
   */
  refused(cursor: Cursor, error: number, nodeId: number): Promise<void>
  /** Handles a leader's log that begins at `logStart` and diverges below the cursor. */
  diverged(cursor: Cursor, diverging: Divergence, logStart: number): void
  /** Handles damaged data at the cursor. */
  damaged(cursor: Cursor, damage: UnreadableBatch, head: number): void
  /** Skips intact data up to `last` that Carillon cannot read. */
  unsupported(cursor: Cursor, batch: { readonly last: number; readonly problem: string }): void
  sinkFailed(cursor: Cursor, offset: number, error: Error): void
  /**
   * Reports the position of the cursor and the bounds of the log to the sink, if any of them
   * changed.
   */
  end(cursor: Cursor, first: number, head: number, highWatermark: number): void
}

interface Claim {
  readonly cursor: Cursor
  /** Version of the cursor at the time of the request. */
  readonly version: number
}

/** Fetches all partitions that one broker leads, one request at a time, while it leads any. */
export class FetchLoop {
  readonly nodeId: number
  readonly #host: FetchOwner
  readonly #decoder: BatchDecoder
  readonly #body = new ByteWriter()
  readonly #pause: Pause
  readonly #pace: Pace
  readonly #asked: Cursor[] = []
  /** By partition: the last request. */
  readonly #claims: (Claim | undefined)[] = []
  /** The cursor of the records in the decoder. */
  #showing: Cursor | undefined
  /** Limit for one partition in the last fetch, bytes. */
  #partitionBytes = 0
  #turn = 0
  #yieldAtMs = 0

  constructor(nodeId: number, host: FetchOwner) {
    this.nodeId = nodeId
    this.#host = host
    this.#decoder = new BatchDecoder(host.options.maxBatchBytes)
    this.#pause = new Pause(host.clock)
    this.#pace = new Pace(host.options.busyPauseMs)
  }

  /** Resolves when the broker no longer leads any of the partitions, or the tail is closed. */
  async run(): Promise<void> {
    const { clock } = this.#host
    while (!this.#host.closed) {
      const waitMs = this.#ask()
      if (waitMs < 0) return
      if (this.#asked.length === 0) {
        await this.#pause.sleep(waitMs)
        continue
      }
      const fetched = await this.#fetch(waitMs)
      if (this.#host.closed || fetched === undefined) continue
      this.#yieldAtMs = clock.monotonicMs() + this.#host.options.turnMs
      try {
        await this.#deliver(fetched)
      } catch (error) {
        this.#host.brokerFailed(this.nodeId, this.#asked.filter(this.#current), error as Error)
      }
      await this.#rest(fetched)
    }
  }

  /** Stops delivery, and wakes the loop. */
  stop(): void {
    this.#decoder.stop()
    this.#pause.wake()
  }

  /** Stops delivery for this cursor. */
  drop(cursor: Cursor): void {
    if (this.#showing === cursor) this.#decoder.stop()
  }

  wake(): void {
    this.#pause.wake()
  }

  /**
   * Collects the partitions to fetch, beginning with a different one each time. Returns how long
   * to wait, ms; -1 = the broker leads none.
   */
  #ask(): number {
    const { cursors, clock, options } = this.#host
    const now = clock.monotonicMs()
    const asked = this.#asked
    asked.length = 0
    let waitMs = -1
    const start = this.#turn++ % cursors.length
    for (let i = 0; i < cursors.length; i++) {
      const cursor = cursors[(start + i) % cursors.length]!
      if (cursor.leader !== this.nodeId) continue
      if (waitMs < 0) waitMs = options.fetchWaitMs
      if (cursor.pausedUntilMs > now) {
        waitMs = Math.min(waitMs, Math.max(1, Math.ceil(cursor.pausedUntilMs - now)))
        continue
      }
      // The first answer reports whether the partition can be read, so the broker must not hold
      // it until there are records.
      if (cursor.reportedNext < 0 || cursor.failures > 0) waitMs = 1
      this.#claims[cursor.partition] = { cursor, version: cursor.version }
      asked.push(cursor)
    }
    return waitMs
  }

  async #fetch(waitMs: number): Promise<Fetched | undefined> {
    const host = this.#host
    const { fetchBytes, fetchPartitionBytes, fetchGraceMs } = host.options
    const limits: FetchLimits = { waitMs, bytes: fetchBytes, partitionBytes: fetchPartitionBytes }
    try {
      const link = await host.brokers.link(this.nodeId)
      return await link.fetchSize.fetch(link, waitMs + fetchGraceMs, limits, (sized) => {
        this.#partitionBytes = sized.partitionBytes
        return fetchRequest(this.#body, host.topicId, this.#asked, sized)
      })
    } catch (error) {
      if (!host.closed) host.brokerFailed(this.nodeId, this.#asked.filter(this.#current), error as Error)
      return undefined
    }
  }

  readonly #current = (cursor: Cursor): boolean => cursor.version === this.#claims[cursor.partition]?.version

  async #deliver(fetched: Fetched): Promise<void> {
    const host = this.#host
    if (fetched.error !== 0) {
      for (const cursor of this.#asked) {
        if (this.#current(cursor)) await host.refused(cursor, fetched.error, this.nodeId)
      }
      return
    }
    for (const answer of fetched.partitions) {
      const cursor = this.#claims[answer.partition]?.cursor
      if (cursor === undefined || !this.#current(cursor)) continue
      if (answer.error !== 0) await host.refused(cursor, answer.error, this.nodeId)
      else if (answer.diverging !== undefined) {
        host.diverged(cursor, answer.diverging, answer.logStart)
      } else await this.#show(cursor, answer)
      if (host.closed) return
    }
  }

  async #show(cursor: Cursor, answer: FetchedPartition): Promise<void> {
    const host = this.#host
    const { logStart, lastStableOffset: head, highWatermark, records } = answer
    const decoder = this.#decoder
    host.succeeded(cursor)
    if (this.#isOver(cursor)) return
    this.#showing = cursor
    decoder.begin(answer, cursor.offset)
    decoder.boundEpochs(cursor.epochs.last, cursor.leaderEpoch)
    let batches = 0
    let outcome = this.#step(cursor)
    while (outcome === 'read' || outcome === 'part') {
      if (this.#isOver(cursor)) return
      if (outcome === 'part') cursor.within(decoder.epoch, decoder.first, decoder.next)
      else {
        batches++
        cursor.passed(decoder.epoch, decoder.first, decoder.next)
      }
      if (host.clock.monotonicMs() > this.#yieldAtMs) {
        host.end(cursor, logStart, head, highWatermark)
        await this.#yield()
        if (this.#isOver(cursor)) return
      }
      outcome = this.#step(cursor)
    }
    if (this.#isOver(cursor)) return
    if (decoder.next > cursor.offset) cursor.passed(decoder.epoch, decoder.first, decoder.next)
    host.end(cursor, logStart, head, highWatermark)
    if (this.#isOver(cursor)) return
    if (outcome === 'damaged') host.damaged(cursor, decoder, head)
    else if (outcome === 'unsupported') host.unsupported(cursor, decoder)
    else if (batches === 0 && decoder.shown === 0 && records.length > 0) {
      host.damaged(cursor, { first: cursor.offset, last: undefined, problem: 'its length is wrong' }, head)
    }
  }

  /**
   * Whether delivery of this answer must stop: the sink may have closed the tail or dropped the
   * partition, or another fetch took over.
   */
  #isOver(cursor: Cursor): boolean {
    return this.#host.closed || !this.#current(cursor)
  }

  /**
   * Reads one batch. If the sink throws, only the record that it threw at is lost: the next fetch
   * continues after it.
   */
  #step(cursor: Cursor): BatchOutcome {
    try {
      return this.#decoder.step(this.#host.sink)
    } catch (error) {
      this.#host.sinkFailed(cursor, this.#decoder.next - 1, error as Error)
      return 'end'
    }
  }

  async #yield(): Promise<void> {
    await new Promise<void>((resolve) => this.#host.clock.turn(resolve))
    this.#yieldAtMs = this.#host.clock.monotonicMs() + this.#host.options.turnMs
  }

  async #rest(fetched: Fetched): Promise<void> {
    let backlog = false
    let any = false
    for (const { records } of fetched.partitions) {
      any ||= records.length > 0
      backlog ||= records.length > this.#partitionBytes / 2
    }
    if (!any || backlog) return
    const pauseMs = this.#pace.pauseMs(this.#host.clock.monotonicMs())
    if (pauseMs > 0) await this.#pause.sleep(pauseMs)
  }
}
