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

/** Topics whose leaders are remembered; beyond that the oldest is asked for anew. */
const maxTopics = 1024

/** Errors that the same request will meet again. */
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

/** For how long a request is tried. */
export interface Attempts {
  /** Until when, monotonic ms; asked before each further attempt. */
  deadlineMs(): number
  /** An attempt has failed, and another one may follow. */
  failed(error: Error): void
}

/** Single requests to a partition's leader, repeated while leaders move or brokers are away. */
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
   * Runs `request` against the partition's leader until it resolves. Rejects with `stream_missing` when the incarnation is
   * gone, and with `broker_unavailable` after `patience` (ms, where it is a number), or at once when trying again is of no use; other errors of
   * `request` come out as they are, KafkaAnswerErrors that last among them.
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

  /** Requests fail at their next attempt. */
  close(): void {
    this.#closed = true
  }

  /**
   * What others heard of a topic: a former leader that has not heard of it would go on answering for the log as it was, and we asking.
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

  /** Each partition's newest leader counts, whoever told of it: a broker that is behind must not take us back. */
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
    const [told, before] = [partitions[partition], known.partitions[partition]]
    if (told === undefined || before === undefined) return (told ?? before)!
    return told.leaderEpoch >= before.leaderEpoch ? told : before
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

/** What a caller is told of a broker that can't be used. */
export function unavailable(error: Error, { name }: StreamInfo, partition: number): CarillonError {
  const problem = error instanceof KafkaAnswerError ? answerText(error.code, error.said) : error.message
  return new CarillonError('broker_unavailable', `${placeOf({ topic: name, partition })}: ${problem}`, { cause: error })
}

/** A lasting answer as a caller is told of it; other errors as they are. */
export function refusal(error: unknown, attempt: Attempt, options: KafkaOptions): unknown {
  if (!(error instanceof KafkaAnswerError)) return error
  const tooLarge = error.code === code.messageTooLarge || error.code === code.recordListTooLarge
  if (tooLarge) {
    const advice = "larger than the topic takes; raise the topic's max.message.bytes or send less"
    return new CarillonError('event_too_large', `${placeOf(attempt)}: ${advice}`, { cause: error })
  }
  const forbidden = attempt.operation === 'Write' && isForbidden(error.code)
  const refused = forbidden ? 'publish_forbidden' : isPassing(error) ? 'broker_unavailable' : 'stream_unusable'
  return new CarillonError(refused, answerProblem(error.code, attempt, options, error.said), { cause: error })
}
