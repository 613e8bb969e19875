import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  type JetStreamManager,
  jetstreamManager,
  type MsgRequest,
  type NextMsgRequest,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream'
import { createInbox, errors, type NatsConnection } from '@nats-io/transport-node'
import type { Clock } from '../../base/clock.ts'
import { backOffMs, Pause } from '../pause.ts'
import type { Offsets } from '../source.ts'
import { parseTime } from './delivery.ts'
import { type Link, serversOf } from './link.ts'
import type { NatsOptions } from './options.ts'
import { isFinal, isMissing, isNoMessage, refusal } from './problems.ts'

/** The offset of a stream's first record, unless its configuration sets another. */
export const firstSequence = 1

/**
 * Current facts of a JetStream stream. `first` is 1 while no record is gone, even if the sequences
 * begin higher.
 */
export interface StreamFacts extends Offsets {
  /** The configured `first_seq`; no record ever existed below it. */
  readonly begin: number
  /** Creation time; distinguishes the stream from earlier ones of the same name. */
  readonly created: string
  readonly config: StreamConfig
  /** Average size of a stored record, bytes. */
  readonly recordBytes: number
}

/**
 * The JetStream management API over one link. Requests are retried for up to `askTimeoutMs`; every
 * failure is a CarillonError.
 */
export class JetStreamApi {
  readonly link: Link
  readonly #options: NatsOptions
  readonly #clock: Clock
  /** The latest error of each request under retry, by the text that names the request. */
  readonly #troubles = new Map<string, string>()
  #manager: { readonly of: NatsConnection; readonly manager: Promise<JetStreamManager> } | undefined

  constructor(link: Link, options: NatsOptions, clock: Clock) {
    this.link = link
    this.#options = options
    this.#clock = clock
  }

  /**
   * Returns the latest error of a request about this stream that is being retried; undefined =
   * none.
   */
  trouble(stream: string): string | undefined {
    return this.#troubles.get(about(stream))
  }

  /** Returns the stream's current facts; undefined if the server has no such stream. */
  stream(name: string): Promise<StreamFacts | undefined> {
    return this.run(about(name), async (manager) => {
      const info = await manager.streams.info(name).catch((error: unknown) => {
        if (isMissing(error)) return undefined
        throw error
      })
      return info === undefined ? undefined : facts(info)
    })
  }

  async addStream(config: Partial<StreamConfig> & { name: string }): Promise<void> {
    await this.run(about(config.name), (manager) => manager.streams.add(config))
  }

  addConsumer(stream: string, config: Partial<ConsumerConfig>): Promise<ConsumerInfo> {
    return this.run(about(stream), (manager) => manager.consumers.add(stream, config))
  }

  /** Creates and drops a consumer; rejects if the server refuses to create it. */
  async tryConsumer(stream: string): Promise<void> {
    const inbox = createInbox(this.#options.inboxPrefix)
    const { name } = await this.addConsumer(stream, { ...passing(inbox), deliver_policy: DeliverPolicy.New })
    this.dropConsumer(stream, name)
  }

  /** Does not wait for the answer: the server also drops an idle consumer by itself. */
  dropConsumer(stream: string, consumer: string): void {
    const { current } = this.link
    current?.publish(`${this.prefix}.CONSUMER.DELETE.${stream}.${consumer}`)
  }

  /** Returns the time at which the record at `sequence` was stored; undefined if it is absent. */
  timeOf(stream: string, sequence: number): Promise<{ timeMs: number; timeNs: number } | undefined> {
    return this.run(about(stream), async (manager) => {
      const message = await manager.streams.getMessage(stream, { seq: sequence }).catch((error: unknown) => {
        if (isNoMessage(error)) return undefined
        throw error
      })
      return message === null || message === undefined ? undefined : parseTime(message.timestamp)
    })
  }

  /** Returns whether the stream has a record at or after `sequence`. */
  hasFrom(stream: string, sequence: number): Promise<boolean> {
    return this.run(about(stream), async (manager) => {
      const query: MsgRequest & NextMsgRequest = { seq: sequence, next_by_subj: '>' }
      return (await manager.streams.getMessage(stream, query)) !== null
    })
  }

  /**
   * Returns the first sequence stored at or after `time` (in the format of `formatTime`), or the
   * head if none was.
   */
  async sequenceAt(stream: string, time: string): Promise<number> {
    const { name, delivered } = await this.addConsumer(stream, {
      ...passing(createInbox(this.#options.inboxPrefix)),
      deliver_policy: DeliverPolicy.StartTime,
      opt_start_time: time,
    })
    this.dropConsumer(stream, name)
    return delivered.stream_seq + 1
  }

  get prefix(): string {
    const { domain } = this.#options
    return domain === undefined ? '$JS.API' : `$JS.${domain}.API`
  }

  /**
   * Retries `ask` until it succeeds, fails for good, or `askTimeoutMs` have passed. `what` names
   * the request in errors.
   */
  async run<T>(what: string, ask: (manager: JetStreamManager, connection: NatsConnection) => Promise<T>): Promise<T> {
    const { askTimeoutMs, retryMs, maxRetryMs } = this.#options
    const deadline = this.#clock.monotonicMs() + askTimeoutMs
    for (let attempt = 0; ; attempt++) {
      const connection = await this.link.connected(Math.max(1, deadline - this.#clock.monotonicMs()))
      try {
        const answer = await ask(await this.#managerOf(connection), connection)
        this.#troubles.delete(what)
        return answer
      } catch (error) {
        if (error instanceof errors.TimeoutError) void this.link.suspect(connection)
        const refused = refusal(error, `${serversOf(this.#options)}, ${what}`)
        if (isMissing(error) || isFinal(error) || this.#clock.monotonicMs() >= deadline) {
          this.#troubles.delete(what)
          throw refused
        }
        this.#troubles.set(what, refused.message)
      }
      await new Pause(this.#clock).sleep(backOffMs(attempt, retryMs, maxRetryMs))
    }
  }

  #managerOf(connection: NatsConnection): Promise<JetStreamManager> {
    if (this.#manager?.of !== connection) {
      const { requestTimeoutMs: timeout, domain } = this.#options
      const options = { checkAPI: false, timeout, ...(domain === undefined ? {} : { domain }) }
      this.#manager = { of: connection, manager: jetstreamManager(connection, options) }
    }
    return this.#manager.manager
  }
}

const about = (stream: string): string => `stream ${stream}`

/** Configures a pull consumer for one use, in the server's memory. */
export function passing(inbox: string): Partial<ConsumerConfig> & { name: string } {
  return {
    name: `carillon_${inbox.slice(inbox.lastIndexOf('.') + 1)}`,
    ack_policy: AckPolicy.None,
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: passingMs * 1_000_000,
  }
}

/** The server drops an idle single-use consumer after this time, ms. */
const passingMs = 5000

function facts({ created, config, state }: StreamInfo): StreamFacts {
  const head = state.last_seq + 1
  const begin = Math.max(firstSequence, config.first_seq ?? 0)
  // Server versions differ in `first_seq` of an empty stream.
  const kept = state.messages === 0 ? head : Math.max(begin, state.first_seq)
  const first = kept > begin ? kept : firstSequence
  const recordBytes = state.messages === 0 ? 0 : state.bytes / state.messages
  return { created: String(created), config, begin, first, head: Math.max(begin, head), recordBytes }
}
