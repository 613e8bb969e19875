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

/** A stretch that can't be read; where it is damaged, for all that is known. */
export interface UnreadableBatch {
  readonly first: number
  /** undefined = nobody knows how far it goes. */
  readonly last: number | undefined
  readonly problem: string
}

/** The tail, as its fetch loops see it. */
export interface FetchOwner {
  readonly options: KafkaOptions
  readonly clock: LoopClock
  readonly brokers: BrokerSet
  readonly sink: TailSink
  readonly cursors: readonly Cursor[]
  readonly topicId: string
  readonly closed: boolean
  /** The broker can't be reached, or did not answer. */
  brokerFailed(nodeId: number, cursors: readonly Cursor[], error: Error): void
  /** An answer without error: the partition is read. */
  succeeded(cursor: Cursor): void
  /** The broker refused the partition; resolves when the cursor is where the next fetch may take it from. */
  refused(cursor: Cursor, error: number, nodeId: number): Promise<void>
  /** The leader's log, which begins at `logStart`, is another one below the cursor. */
  diverged(cursor: Cursor, diverging: Divergence, logStart: number): void
  /** A place that can't be read. */
  damaged(cursor: Cursor, damage: UnreadableBatch, head: number): void
  /** Sound records up to `last` that we can't read. */
  unsupported(cursor: Cursor, batch: { readonly last: number; readonly problem: string }): void
  sinkFailed(cursor: Cursor, offset: number, error: Error): void
  /** Tells the sink where the cursor stands, if that is news. */
  end(cursor: Cursor, first: number, head: number, highWatermark: number): void
}

interface Claim {
  readonly cursor: Cursor
  /** Of the cursor, when it was asked for. */
  readonly version: number
}

/** Fetches all partitions that one broker leads, one request at a time, for as long as it leads any. */
export class FetchLoop {
  readonly nodeId: number
  readonly #host: FetchOwner
  readonly #decoder: BatchDecoder
  readonly #body = new ByteWriter()
  readonly #pause: Pause
  readonly #pace: Pace
  readonly #asked: Cursor[] = []
  /** By partition: what was asked for last. */
  readonly #claims: (Claim | undefined)[] = []
  /** Whose records the decoder has. */
  #showing: Cursor | undefined
  /** Bytes of one partition, as of the last fetch. */
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

  /** Resolves when the broker leads none of the partitions any more, or the tail is closed. */
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

  /** Shows nothing more, and wakes up. */
  stop(): void {
    this.#decoder.stop()
    this.#pause.wake()
  }

  /** Shows nothing more of this cursor. */
  drop(cursor: Cursor): void {
    if (this.#showing === cursor) this.#decoder.stop()
  }

  wake(): void {
    this.#pause.wake()
  }

  /** Collects what to ask for, a different partition first each time; for how long to wait, −1 = it leads nothing. */
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
      // Whether it can be read at all is news that should not wait for records.
      if (cursor.toldNext < 0 || cursor.failures > 0) waitMs = 1
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

  /** Nothing more of this answer is to be shown: the sink may have closed the tail or dropped the partition, or another fetch took over. */
  #isOver(cursor: Cursor): boolean {
    return this.#host.closed || !this.#current(cursor)
  }

  /** One batch. A sink that throws loses the record that it threw at, not the partition: the next fetch goes on there. */
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
