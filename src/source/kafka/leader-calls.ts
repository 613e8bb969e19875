import type { Clock } from '../../base/clock.ts'
import { CarillonError } from '../../base/errors.ts'
import { backOffMs } from '../pause.ts'
import type { StreamInfo } from '../source.ts'
import { BrokerAwayError, type BrokerLink } from './broker-link.ts'
import type { BrokerSet } from './broker-set.ts'
import { type Attempt, answerProblem, isForbidden, placeOf } from './grants.ts'
import type { PartitionLeader, TopicMetadata } from './metadata-request.ts'
import type { KafkaOptions } from './options.ts'
import { answerText, code, KafkaAnswerError } from './protocol-errors.ts'

/** Topics whose leaders are cached; beyond that, the oldest topic is dropped. */
const maxTopics = 1024

/** Permanent errors: the same request would fail again. */
const lasting: readonly number[] = [
  code.invalidTopic,
  code.invalidTimestamp,
  code.invalidPartitions,
  code.invalidReplicationFactor,
  code.invalidReplicaAssignment,
  code.invalidConfig,
  code.invalidRequest,
  code.unsupportedForMessageFormat,
  code.policyViolation,
  code.invalidRecord,
  code.messageTooLarge,
  code.recordListTooLarge,
  code.topicAuthorizationFailed,
  code.clusterAuthorizationFailed,
  code.transactionalIdAuthorizationFailed,
  code.unsupportedVersion,
]

/** Limits how long a request is tried. */
export interface Attempts {
  /** Returns the deadline, monotonic ms. Called before each further attempt. */
  deadlineMs(): number
  /** Reports a failed attempt. Another one may follow. */
  failed(error: Error): void
}

/**
 * Sends single requests to a partition's leader, and repeats them while leaders move or brokers
 * are away.
 */
export class LeaderCalls {
  readonly #brokers: BrokerSet
  readonly #options: KafkaOptions
  readonly #clock: Clock
  readonly #topics = new Map<string, TopicMetadata>()
  #closed = false

  constructor(brokers: BrokerSet, options: KafkaOptions, clock: Clock) {
    this.#brokers = brokers
    this.#options = options
    this.#clock = clock
  }

  /**
   * Runs `request` against the partition's leader until it resolves. `patience` is a time in ms
   * or an `Attempts`. Rejects with `stream_missing` if the incarnation is gone. Rejects with
   * `broker_unavailable` after `patience`, earlier if the next attempt would be too late, or at
   * the next failure after `close`. Other errors of `request` propagate unchanged, as do
   * permanent KafkaAnswerErrors.
   */
  async run<T>(
    stream: StreamInfo,
    partition: number,
    patience: number | Attempts,
    request: (link: BrokerLink, leaderEpoch: number) => Promise<T>,
  ): Promise<T> {
    const attempts = typeof patience === 'number' ? this.#within(patience) : patience
    let avoid: readonly number[] = []
    for (let attempt = 0; ; attempt++) {
      let leader: number | undefined
      try {
        const known = attempt === 0 ? this.#topics.get(stream.name) : undefined
        const found = await this.#leader(stream, partition, known, avoid)
        leader = found.leader
        return await request(await this.#brokers.link(leader), found.leaderEpoch)
      } catch (error) {
        if (!isPassing(error)) throw error
        attempts.failed(error)
        const pauseMs = backOffMs(attempt, this.#options.retryMs, this.#options.maxRetryMs)
        const isLast = this.#closed || this.#clock.monotonicMs() + pauseMs >= attempts.deadlineMs()
        if (isLast) throw unavailable(error, stream, partition)
        avoid = error instanceof BrokerAwayError && leader !== undefined ? [leader] : []
        await new Promise<void>((resolve) => this.#clock.after(pauseMs, resolve))
      }
    }
  }

  #within(timeoutMs: number): Attempts {
    const deadlineMs = this.#clock.monotonicMs() + timeoutMs
    return { deadlineMs: () => deadlineMs, failed: () => {} }
  }

  /** Lets requests fail at their next attempt. */
  close(): void {
    this.#closed = true
  }

  /**
   * Adopts metadata from another reader of the topic. A former leader that does not know of its
   * successor would answer for its outdated log, and would be asked again and again.
   */
  heard(topic: string, metadata: TopicMetadata): void {
    if (this.#topics.get(topic)?.topicId === metadata.topicId) this.#remember(topic, metadata)
  }

  async #leader(
    { name, incarnation }: StreamInfo,
    partition: number,
    known: TopicMetadata | undefined,
    avoid: readonly number[],
  ): Promise<PartitionLeader> {
    let topic = known
    if (topic === undefined || topic.topicId !== incarnation || partition >= topic.partitions.length) {
      topic = this.#remember(name, await this.#brokers.metadata(name, avoid))
    }
    if (topic.error === code.unknownTopicOrPartition) throw missing(name, 'the broker has no such topic')
    if (topic.error !== 0 && topic.error !== code.leaderNotAvailable) {
      throw new KafkaAnswerError(topic.error, `topic ${name}`)
    }
    if (topic.topicId !== incarnation) throw missing(name, 'the topic was deleted and created again')
    const found = topic.partitions[partition]
    if (found === undefined)
      throw missing(name, `it has ${topic.partitions.length} partitions, not number ${partition}`)
    if (found.leader < 0) throw new KafkaAnswerError(code.leaderNotAvailable, `topic ${name}, partition ${partition}`)
    return found
  }

  /**
   * Caches the newest leader of each partition, regardless of the broker that reported it: an
   * outdated broker must not bring back an old leader.
   */
  #remember(name: string, topic: TopicMetadata): TopicMetadata {
    const known = this.#topics.get(name)
    const newest = known?.topicId === topic.topicId ? { ...topic, partitions: newestOf(topic, known) } : topic
    this.#topics.delete(name)
    this.#topics.set(name, newest)
    if (this.#topics.size > maxTopics) this.#topics.delete(this.#topics.keys().next().value!)
    return newest
  }
}

function newestOf({ partitions }: TopicMetadata, known: TopicMetadata): readonly PartitionLeader[] {
  const length = Math.max(partitions.length, known.partitions.length)
  return Array.from({ length }, (_, partition) => {
    const [current, before] = [partitions[partition], known.partitions[partition]]
    if (current === undefined || before === undefined) return (current ?? before)!
    return current.leaderEpoch >= before.leaderEpoch ? current : before
  })
}

function isPassing(error: unknown): error is Error {
  if (error instanceof KafkaAnswerError) return !lasting.includes(error.code)
  return error instanceof BrokerAwayError
}

function missing(topic: string, why: string): CarillonError {
  return new CarillonError(
    'stream_missing',
    `expected topic ${topic} as it was described, but ${why}; describe it again`,
  )
}

/** Returns the error for a caller when a broker cannot be used. */
export function unavailable(error: Error, { name }: StreamInfo, partition: number): CarillonError {
  const problem = error instanceof KafkaAnswerError ? answerText(error.code, error.said) : error.message
  return new CarillonError('broker_unavailable', `${placeOf({ topic: name, partition })}: ${problem}`, { cause: error })
}

/**
 * Converts an error code of the broker to the error for a caller. Returns other errors unchanged.
 */
export function refusal(error: unknown, attempt: Attempt, options: KafkaOptions): unknown {
  if (!(error instanceof KafkaAnswerError)) return error
  const tooLarge = error.code === code.messageTooLarge || error.code === code.recordListTooLarge
  if (tooLarge) {
    const advice = "larger than the topic allows; raise the topic's max.message.bytes or send less"
    return new CarillonError('event_too_large', `${placeOf(attempt)}: ${advice}`, { cause: error })
  }
  const forbidden = attempt.operation === 'Write' && isForbidden(error.code)
  const refused = forbidden ? 'publish_forbidden' : isPassing(error) ? 'broker_unavailable' : 'stream_unusable'
  return new CarillonError(refused, answerProblem(error.code, attempt, options, error.said), { cause: error })
}
