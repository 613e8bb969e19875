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

/** The offset of a stream's first record, where its configuration does not say another one. */
export const firstSequence = 1

/** One JetStream stream as it is now. `first` is 1 as long as nothing of it is gone, wherever its sequences begin. */
export interface StreamFacts extends Offsets {
  /** Where its sequences begin (`first_seq` of its configuration): below there never was a record. */
  readonly begin: number
  /** Tells it from an earlier one of its name: its time of creation. */
  readonly created: string
  readonly config: StreamConfig
  /** What a record takes, on average, bytes. */
  readonly recordBytes: number
}

/** The management API of JetStream over one link: each question retried until `askTimeoutMs`, each failure a CarillonError. */
export class JetStreamApi {
  readonly link: Link
  readonly #options: NatsOptions
  readonly #clock: Clock
  /** What is wrong with questions that are asked again now, by what they are about. */
  readonly #troubles = new Map<string, string>()
  #manager: { readonly of: NatsConnection; readonly manager: Promise<JetStreamManager> } | undefined

  constructor(link: Link, options: NatsOptions, clock: Clock) {
    this.link = link
    this.#options = options
    this.#clock = clock
  }

  /** What keeps a question about this stream from being answered, while it is asked again. */
  trouble(stream: string): string | undefined {
    return this.#troubles.get(about(stream))
  }

  /** undefined when the server answers that there is none. */
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

  /** Creates one for nothing: rejects where the server refuses it. */
  async tryConsumer(stream: string): Promise<void> {
    const inbox = createInbox(this.#options.inboxPrefix)
    const { name } = await this.addConsumer(stream, { ...passing(inbox), deliver_policy: DeliverPolicy.New })
    this.dropConsumer(stream, name)
  }

  /** Not waited for: the server forgets an idle consumer by itself. */
  dropConsumer(stream: string, consumer: string): void {
    const { current } = this.link
    current?.publish(`${this.prefix}.CONSUMER.DELETE.${stream}.${consumer}`)
  }

  /** When the record at `sequence` was stored; undefined when it is not there (any more). */
  timeOf(stream: string, sequence: number): Promise<{ timeMs: number; timeNs: number } | undefined> {
    return this.run(about(stream), async (manager) => {
      const message = await manager.streams.getMessage(stream, { seq: sequence }).catch((error: unknown) => {
        if (isNoMessage(error)) return undefined
        throw error
      })
      return message === null || message === undefined ? undefined : parseTime(message.timestamp)
    })
  }

  /** Whether the stream has a record at or behind `sequence`. */
  hasFrom(stream: string, sequence: number): Promise<boolean> {
    return this.run(about(stream), async (manager) => {
      const query: MsgRequest & NextMsgRequest = { seq: sequence, next_by_subj: '>' }
      return (await manager.streams.getMessage(stream, query)) !== null
    })
  }

  /** The first sequence whose record was stored at or after `time`, as `formatTime` writes it; the head when there is none. */
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

  /** Asks until it is answered, finally refused, or `askTimeoutMs` are over; `what` is for the message. */
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

/** A pull consumer for one use, in the server's memory. */
export function passing(inbox: string): Partial<ConsumerConfig> & { name: string } {
  return {
    name: `carillon_${inbox.slice(inbox.lastIndexOf('.') + 1)}`,
    ack_policy: AckPolicy.None,
    mem_storage: true,
    num_replicas: 1,
    inactive_threshold: passingMs * 1_000_000,
  }
}

/** The server forgets it after so long, when it was not told to, ms. */
const passingMs = 5000

function facts({ created, config, state }: StreamInfo): StreamFacts {
  const head = state.last_seq + 1
  const begin = Math.max(firstSequence, config.first_seq ?? 0)
  // Servers name the first sequence of an empty stream differently.
  const kept = state.messages === 0 ? head : Math.max(begin, state.first_seq)
  const first = kept > begin ? kept : firstSequence
  const recordBytes = state.messages === 0 ? 0 : state.bytes / state.messages
  return { created: String(created), config, begin, first, head: Math.max(begin, head), recordBytes }
}
