import type { Clock } from '../../base/clock.ts'
import type { CarillonError } from '../../base/errors.ts'
import type { Ack, OutRecord, StreamInfo } from '../source.ts'
import { type BatchIdentity, encodeBatch, nobody } from './batch-encoder.ts'
import type { BrokerLink } from './broker-link.ts'
import { type LeaderCalls, refusal, unavailable } from './leader-calls.ts'
import type { KafkaOptions } from './options.ts'
import { produceRequest } from './produce-request.ts'
import { type ProducerId, producerIdRequest } from './producer-id-request.ts'
import { code, KafkaAnswerError } from './protocol-errors.ts'

/**
 * One call of `publish`. Resolves when all of its records are acknowledged, rejects when the
 * first of them fails.
 */
export interface Publication {
  readonly acks: Ack[]
  /** When the publication fails, monotonic ms, regardless of what it waits for. */
  readonly deadlineMs: number
  waiting: number
  failed: boolean
  resolve(acks: Ack[]): void
  reject(error: unknown): void
}

export interface Entry {
  readonly record: OutRecord
  readonly bytes: number
  readonly publication: Publication
  /** Index of the record in the publication. */
  readonly index: number
  /** The record was acknowledged or has failed. */
  settled: boolean
}

/** The producer, and the sequence number of the next record. */
interface Identity {
  /** undefined = this client has no permission for idempotent writes. */
  readonly writer: ProducerId | undefined
  sequence: number
}

const sequences = 2 ** 31

/** The parts that all lanes share. */
export interface LaneOwner {
  readonly options: KafkaOptions
  readonly calls: LeaderCalls
  readonly clock: Clock
  /** Receives the bytes of each entry that no longer waits. */
  settled(bytes: number): void
}

/**
 * Writes to one partition, one batch at a time. Records published in the meantime form the next
 * batch. A batch is taken from the queue once there is a leader to send it to. An entry that
 * reaches its deadline before that, or while its batch is in progress, fails by itself. A batch
 * with an unknown outcome is repeated with the same sequence numbers, so the broker writes it
 * once. If it is given up, so is the identity: the broker would take other records under used
 * numbers for a repetition, and acknowledge records that it never wrote.
 */
export class Lane {
  /** Bytes of the entries that wait. */
  queuedBytes = 0
  readonly #stream: StreamInfo
  readonly #partition: number
  readonly #options: KafkaOptions
  readonly #calls: LeaderCalls
  readonly #clock: Clock
  readonly #settled: (bytes: number) => void
  /**
   * Ordered by deadline. The entries of the current batch come before them, in the same order.
   */
  readonly #queue: Entry[] = []
  /** The batch in progress; empty = none. */
  #batch: readonly Entry[] = []
  #identity: Identity | undefined
  /** Halved each time the topic rejects a batch as too large. */
  #batchBytes: number
  #running = false
  /** Why the last attempt failed. */
  #problem: Error | undefined
  /** Cancels the next check of deadlines; undefined = none is scheduled. */
  #cancelExpiry: (() => void) | undefined

  constructor(stream: StreamInfo, partition: number, { options, calls, clock, settled }: LaneOwner) {
    this.#stream = stream
    this.#partition = partition
    this.#options = options
    this.#calls = calls
    this.#clock = clock
    this.#settled = settled
    this.#batchBytes = options.publishBatchBytes
  }

  add(entry: Entry): void {
    this.#queue.push(entry)
    this.queuedBytes += entry.bytes
    if (this.#cancelExpiry === undefined) this.#expire()
    if (this.#running) return
    this.#running = true
    // Runs after the caller has added all of its records, so that they share a batch.
    queueMicrotask(() => void this.#run())
  }

  async #run(): Promise<void> {
    while (this.#queue.length > 0) await this.#write()
    this.#running = false
    this.#cancelExpiry?.()
    this.#cancelExpiry = undefined
  }

  /**
   * Fails all entries whose deadline has passed, and schedules the check for the next deadline.
   */
  #expire(): void {
    this.#cancelExpiry = undefined
    const now = this.#clock.monotonicMs()
    const waiting = [...this.#batch, ...this.#queue].filter(({ settled }) => !settled)
    const due = waiting.filter(({ publication }) => publication.deadlineMs <= now)
    if (due.length > 0) {
      const problem = this.#problem ?? new Error('the leader did not acknowledge the record in time')
      const error = unavailable(problem, this.#stream, this.#partition)
      for (const entry of due) this.#fail(entry, error)
      this.#dropSettled()
    }
    const next = waiting[due.length]
    if (next === undefined) return
    this.#cancelExpiry = this.#clock.after(next.publication.deadlineMs - now, () => this.#expire())
  }

  #dropSettled(): void {
    const left = this.#queue.filter(({ settled }) => !settled)
    this.#queue.splice(0, this.#queue.length, ...left)
  }

  /** Takes the next batch from the queue. Drops entries of publications that have failed. */
  #take(): Entry[] {
    const batch: Entry[] = []
    let bytes = 0
    while (this.#queue.length > 0) {
      const entry = this.#queue[0]!
      if (batch.length > 0 && bytes + entry.bytes > this.#batchBytes) break
      this.#queue.shift()
      if (entry.publication.failed) {
        this.#settle(entry)
        continue
      }
      bytes += entry.bytes
      batch.push(entry)
    }
    return batch
  }

  async #write(): Promise<void> {
    const attempts = {
      deadlineMs: () => (this.#batch.at(-1) ?? this.#queue.at(-1))?.publication.deadlineMs ?? 0,
      failed: (error: Error) => {
        this.#problem = error
      },
    }
    try {
      const base = await this.#calls.run(this.#stream, this.#partition, attempts, (link) => this.#produce(link))
      for (const [i, entry] of this.#batch.entries()) this.#acknowledge(entry, base + i)
    } catch (error) {
      if (!this.#halve(error)) this.#giveUp(error)
    }
    this.#batch = []
    this.#problem = undefined
  }

  /**
   * Fails the batch. If no batch was sent, fails the whole queue, since all of it would meet the
   * same error.
   */
  #giveUp(error: unknown): void {
    this.#identity = undefined
    const { name: topic } = this.#stream
    const refused = refusal(error, { operation: 'Write', topic, partition: this.#partition }, this.#options)
    const failed = this.#batch.length > 0 ? this.#batch : this.#queue.splice(0)
    for (const entry of failed) this.#fail(entry, refused as CarillonError)
  }

  /**
   * Halves the batch size and requeues the batch, because the size limit of the topic applies to
   * whole batches. Returns false if a smaller batch would not help.
   */
  #halve(error: unknown): boolean {
    const tooLarge = error instanceof KafkaAnswerError && error.code === code.messageTooLarge
    if (!tooLarge || this.#batch.length === 1) return false
    this.#batchBytes = Math.max(1, this.#batchBytes >> 1)
    this.#queue.unshift(...this.#batch.filter(({ settled }) => !settled))
    return true
  }

  /** Sends the batch in progress again, or takes the next one. */
  async #produce(link: BrokerLink): Promise<number> {
    const { publishAttemptMs } = this.#options
    this.#identity ??= await this.#identify(link)
    const identity = this.#identity
    if (this.#batch.length === 0) this.#batch = this.#take()
    const batch = this.#batch
    // All entries have failed in the meantime.
    if (batch.length === 0) return 0
    try {
      const records = batch.map(({ record }) => record)
      // The producer sets the record time, as usual in Kafka, unless the topic has LogAppendTime.
      const bytes = encodeBatch(records, Math.floor(this.#clock.nowUs() / 1000), writerOf(identity))
      const base = await link.ask(
        produceRequest(this.#stream.name, this.#partition, bytes, publishAttemptMs),
        publishAttemptMs,
        batch.at(-1)!.publication.deadlineMs - this.#clock.monotonicMs(),
      )
      identity.sequence = (identity.sequence + batch.length) % sequences
      return base
    } catch (error) {
      if (error instanceof KafkaAnswerError && identityLost.includes(error.code)) this.#identity = undefined
      throw error
    }
  }

  async #identify(link: BrokerLink): Promise<Identity> {
    try {
      return { writer: await link.ask(producerIdRequest(), this.#options.requestTimeoutMs), sequence: 0 }
    } catch (error) {
      if (!(error instanceof KafkaAnswerError) || !notGranted.includes(error.code)) throw error
      return { writer: undefined, sequence: 0 }
    }
  }

  #settle(entry: Entry): void {
    if (entry.settled) return
    entry.settled = true
    this.queuedBytes -= entry.bytes
    this.#settled(entry.bytes)
  }

  #acknowledge(entry: Entry, offset: number): void {
    const { index, publication } = entry
    this.#settle(entry)
    publication.acks[index] = { partition: this.#partition, offset }
    if (--publication.waiting === 0 && !publication.failed) publication.resolve(publication.acks)
  }

  #fail(entry: Entry, error: unknown): void {
    const { publication } = entry
    this.#settle(entry)
    if (publication.failed) return
    publication.failed = true
    publication.reject(error)
  }
}

function writerOf({ writer, sequence }: Identity): BatchIdentity {
  return writer === undefined ? nobody : { ...writer, firstSequence: sequence }
}

/**
 * The broker has forgotten the identity, or the sequence numbers do not match: it wrote nothing
 * with them.
 */
const identityLost: readonly number[] = [code.outOfOrderSequence, code.invalidProducerEpoch, code.unknownProducerId]
const notGranted: readonly number[] = [code.clusterAuthorizationFailed, code.transactionalIdAuthorizationFailed]
