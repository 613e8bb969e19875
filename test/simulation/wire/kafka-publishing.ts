import { type Random, seededRandom } from '../../../src/base/random.ts'
import { BatchDecoder } from '../../../src/source/kafka/batch-decoder.ts'
import { code } from '../../../src/source/kafka/protocol-errors.ts'
import type { LogOwner } from '../log-owner.ts'
import type { PartitionLog } from '../partition-log.ts'
import type { ClusterSurroundings } from '../simulated-source.ts'
import { AdapterPublishers } from './adapter-publishers.ts'
import { type PublishOptions, publishOptions } from './kafka-options.ts'
import type { SimKafkaSource } from './kafka-source.ts'
import { Published, type Submission } from './published.ts'

/** The reason why a batch is not acknowledged. */
export interface Hindrance {
  readonly error: number
  /** The batch is in the log nevertheless. */
  readonly isWritten: boolean
}

type Surroundings = Pick<ClusterSurroundings, 'time' | 'broker' | 'truth' | 'verdict'>

/** Share of the histories in which gateways publish. */
const share = 0.4
/** Share of the batches at which replicas fall behind, and for how long at most, ms. */
const behindShare = 0.08
const behindMs = 1500
/** NOT_ENOUGH_REPLICAS, before the batch is written and after. */
const notEnough = 19
const notEnoughAfter = 20
const maxBatchBytes = 1 << 20

/** Publishing through the adapters: what gateways write, and how brokers handle it. */
export class KafkaPublishing {
  readonly options: PublishOptions
  readonly published: Published
  readonly owner: LogOwner
  readonly #surroundings: Surroundings
  readonly #random: Random
  readonly #decoder = new BatchDecoder(maxBatchBytes)
  /** Limit of the topic, bytes for each batch. */
  readonly #mostBytes: number
  #behindUntilMs = 0
  #isHealed = false

  /**
   * Draws with a separate sequence of random numbers whether gateways publish in the history;
   * undefined = they do not.
   */
  static draw(
    seed: number,
    surroundings: Surroundings,
    sources: ReadonlySet<SimKafkaSource>,
  ): KafkaPublishing | undefined {
    const random = seededRandom(seed ^ 0x2de92c6f)
    return random.next() < share ? new KafkaPublishing(surroundings, sources, random) : undefined
  }

  private constructor(surroundings: Surroundings, sources: ReadonlySet<SimKafkaSource>, random: Random) {
    this.#surroundings = surroundings
    this.#random = random
    this.options = publishOptions(random)
    this.#mostBytes = random.next() < 0.3 ? 400 : maxBatchBytes
    this.published = new Published(surroundings, true)
    this.owner = new AdapterPublishers(surroundings, this.published, sources, random)
  }

  heal(): void {
    this.#isHealed = true
  }

  hindrance(bytes: number): Hindrance | undefined {
    if (bytes > this.#mostBytes) return { error: code.messageTooLarge, isWritten: false }
    if (this.#isHealed) return undefined
    const { nowMs } = this.#surroundings.time
    const random = this.#random
    if (nowMs >= this.#behindUntilMs && random.next() < behindShare)
      this.#behindUntilMs = nowMs + random.next() * behindMs
    if (nowMs >= this.#behindUntilMs) return undefined
    const way = random.next()
    if (way < 0.4) return { error: notEnough, isWritten: false }
    if (way < 0.65) return { error: notEnoughAfter, isWritten: true }
    return way < 0.85 ? { error: code.requestTimedOut, isWritten: true } : undefined
  }

  /** Appends the batch to the log. Returns the offset of its first record. */
  append(log: PartitionLog, batch: Buffer): number {
    const { time, broker, truth, verdict } = this.#surroundings
    const base = log.end
    const all: Submission[] = []
    this.#decoder.begin(
      { partition: log.partition, records: batch, aborted: [], lastStableOffset: Number.MAX_SAFE_INTEGER },
      0,
    )
    const sink = {
      record: ({ buffer, keyStart, keyEnd, valueStart, valueEnd }: Parameters<RecordSink['record']>[0]) => {
        const bytes = (start: number, end: number) => (start < 0 ? null : Buffer.from(buffer.subarray(start, end)))
        const found = this.published.sent(log.partition, bytes(keyStart, keyEnd), bytes(valueStart, valueEnd))
        if (found !== undefined) all.push(found)
      },
    }
    let outcome = this.#decoder.step(sink)
    while (outcome === 'read' || outcome === 'part') outcome = this.#decoder.step(sink)
    if (outcome === 'damaged') verdict.broken('log', `a gateway published a damaged batch: ${this.#decoder.problem}`)
    for (const submission of all) {
      const record = log.append({ ...submission.record, timeMs: broker.process.nowUs() / 1000 }, time.nowMs)
      truth.add(record)
      this.published.written(submission, record, base, base + all.length)
      verdict.note(
        () =>
          `a gateway published ${record.event?.subject} "${record.event?.id}" @${record.partition}/${record.offset}`,
      )
    }
    return base
  }
}

type RecordSink = Parameters<BatchDecoder['step']>[0]
