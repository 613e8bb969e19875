import type { LoopClock } from '../../base/clock.ts'
import { unknownGeneration } from '../../base/generation.ts'
import type { UnreadableReason } from '../../log/record.ts'
import type { Chunk, Offsets, RangeEnd, RangeSink, StreamInfo } from '../source.ts'
import { BatchDecoder } from './batch-decoder.ts'
import type { BrokerLink } from './broker-link.ts'
import type { BrokerConnector } from './connector.ts'
import { Damage } from './damage.ts'
import { ByteWriter } from './encoding.ts'
import { type FetchedPartition, type FetchLimits, fetchRequest } from './fetch-request.ts'
import type { LeaderCalls } from './leader-calls.ts'
import { earliest, type LedPartition, latest, offsetRequest } from './offsets-request.ts'
import type { KafkaOptions } from './options.ts'
import { code, KafkaAnswerError } from './protocol-errors.ts'

/**
 * Records examined before the event loop has its turn, weighted by `turnWeight`. A chunk of
 * compressed batches may hold a million.
 */
const turnRecords = 2048

/** Asks the leader for the bounds of a partition. */
export async function askOffsets(link: BrokerLink, asked: LedPartition, timeoutMs: number): Promise<Offsets> {
  const ask = (time: number) => link.ask(offsetRequest(asked, time), timeoutMs)
  const [first, head] = await Promise.all([ask(earliest), ask(latest)])
  return { first, head: Math.max(first, head) }
}

/**
 * Reads one chunk of a partition's past, with as many fetches as it takes to deliver a record.
 */
export class RangeRead {
  readonly #stream: StreamInfo
  readonly #partition: number
  readonly #from: number
  readonly #to: number
  readonly #sink: RangeSink
  readonly #options: KafkaOptions
  readonly #clock: LoopClock
  readonly #limits: FetchLimits
  readonly #decoder: BatchDecoder
  readonly #damage = new Damage()
  readonly #body = new ByteWriter(128)
  #next: number
  #offsets: Offsets = { first: 0, head: 0 }
  #done = false

  constructor(
    stream: StreamInfo,
    { partition, from, to, maxBytes }: Chunk,
    sink: RangeSink,
    { options, clock }: Pick<BrokerConnector, 'options' | 'clock'>,
  ) {
    this.#stream = stream
    this.#partition = partition
    this.#from = from
    this.#next = from
    this.#to = to
    this.#sink = sink
    this.#options = options
    this.#clock = clock
    this.#limits = { waitMs: 0, bytes: maxBytes, partitionBytes: maxBytes }
    this.#decoder = new BatchDecoder(options.maxBatchBytes)
  }

  async run(calls: LeaderCalls): Promise<RangeEnd> {
    try {
      while (!this.#done && this.#sink.full !== true) {
        await calls.run(this.#stream, this.#partition, this.#options.askTimeoutMs, (link, epoch) =>
          this.#fetch(link, epoch),
        )
      }
    } catch (error) {
      // The offsets passed before the failure need not be read again. If the problem persists,
      // the next chunk meets it.
      if (this.#next === this.#from) throw error
    }
    return { next: this.#next, offsets: this.#offsets }
  }

  async #fetch(link: BrokerLink, leaderEpoch: number): Promise<void> {
    const asked = { partition: this.#partition, leaderEpoch, offset: this.#next, lastFetchedEpoch: unknownGeneration }
    const { requestTimeoutMs } = this.#options
    await link.unpaused()
    if (this.#sink.full === true) return
    const fetched = await link.fetchSize.fetch(link, requestTimeoutMs, this.#limits, (limits) =>
      fetchRequest(this.#body, this.#stream.incarnation, [asked], limits),
    )
    // The caller fetches again after the pause, with a smaller limit.
    if (fetched.isThrottled) return
    const answer = fetched.partitions[0]
    const error = fetched.error !== 0 ? fetched.error : (answer?.error ?? code.unknownTopicOrPartition)
    if (error === code.offsetOutOfRange) return this.#outOfRange(link, leaderEpoch)
    if (error === code.corruptMessage) {
      await this.#ask(link, leaderEpoch)
      return this.#damaged(this.#next, undefined)
    }
    if (error !== 0) throw new KafkaAnswerError(error, 'Fetch')
    this.#offsets = { first: answer!.logStart, head: answer!.lastStableOffset }
    await this.#show(answer!, leaderEpoch)
  }

  async #outOfRange(link: BrokerLink, leaderEpoch: number): Promise<void> {
    const { first, head } = await this.#ask(link, leaderEpoch)
    if (this.#next > head) this.#done = true
    else if (this.#next < first) this.#advance(first)
    else throw new KafkaAnswerError(code.offsetOutOfRange, 'Fetch')
  }

  /** Asks for the bounds, which an answer with an error does not contain. */
  async #ask(link: BrokerLink, leaderEpoch: number): Promise<Offsets> {
    const own = { topic: this.#stream.name, partition: this.#partition, leaderEpoch }
    this.#offsets = await askOffsets(link, own, this.#options.requestTimeoutMs)
    return this.#offsets
  }

  async #show(answer: FetchedPartition, leaderEpoch: number): Promise<void> {
    const { records } = answer
    const decoder = this.#decoder
    decoder.begin(answer, this.#next, this.#to)
    decoder.boundEpochs(unknownGeneration, leaderEpoch)
    let batches = 0
    let turnFrom = 0
    let outcome = decoder.step(this.#sink)
    while ((outcome === 'read' && decoder.next < this.#to) || outcome === 'part') {
      if (outcome === 'read') {
        this.#damage.read()
        batches++
      }
      if (this.#sink.full === true) break
      if (decoder.looked - turnFrom >= turnRecords) {
        turnFrom = decoder.looked
        await new Promise<void>((resolve) => this.#clock.turn(resolve))
      }
      outcome = decoder.step(this.#sink)
    }
    this.#advance(decoder.next)
    if (decoder.shown > 0) this.#done = true
    else if (outcome === 'damaged') this.#damaged(decoder.first, decoder.last)
    else if (outcome === 'unsupported') this.#skip(Math.min(decoder.last, this.#to - 1), 'unsupported')
    else if (outcome === 'end' && batches === 0 && records.length > 0) this.#damaged(this.#next, undefined)
  }

  #damaged(first: number, last: number | undefined): void {
    const to = this.#damage.met(first, this.#next, last, Math.min(this.#offsets.head, this.#to))
    if (to !== undefined) this.#skip(to, 'corrupt')
  }

  #skip(to: number, reason: UnreadableReason): void {
    this.#sink.lost(this.#next, to, reason)
    this.#advance(to + 1)
  }

  #advance(next: number): void {
    this.#next = next
    if (next >= Math.min(this.#to, this.#offsets.head)) this.#done = true
  }
}
