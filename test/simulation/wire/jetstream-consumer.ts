import { type PartitionLog, visible } from '../partition-log.ts'
import type { ModelConnection } from './jetstream-connection.ts'
import { ackSubject, recordMessage, statusHeaders } from './jetstream-messages.ts'

/** The server as a consumer sees it. */
export interface ConsumerHost {
  /** Returns the stream and the consumer as reply subjects name them. */
  placeOf(consumer: Consumer): string
  /**
   * Whether the consumer is gone: its stream was deleted or rewritten, or its connection ended.
   */
  isGone(consumer: Consumer): boolean
  /** Runs `run` at the server, after up to `ms`. */
  soon(ms: number, run: () => void): void
  later(ms: number, run: () => void): void
}

export interface ConsumerSettings {
  readonly stream: string
  readonly name: string
  readonly start: number
  /** Subject for pushed messages; undefined = a pull consumer. */
  readonly deliverTo: string | undefined
  readonly heartbeatMs: number
  /** Number of its first messages to lose in transit. */
  readonly losing: number
  /** Messages in one burst, at most. */
  readonly batch: number
}

/** Messages between two flow control requests, and the number of open requests, at most. */
const flowMessages = 12
const maxFlowQuestions = 2
/** Time between two bursts, ms. */
const betweenMs = 2

const nothing = Buffer.alloc(0)

/** An ephemeral consumer in the server's memory, without acknowledgements. */
export class Consumer {
  readonly log: PartitionLog
  readonly rewrites: number
  readonly settings: ConsumerSettings
  readonly connection: ModelConnection
  /** The next stream sequence to send. */
  next: number
  sequence = 0
  /** Whether it has stopped sending without an error. */
  silent = false
  /** Whether it only sends heartbeats. */
  paused = false
  /** Number of messages still to lose in transit. */
  losing: number
  deleted = false
  readonly #host: ConsumerHost
  /** Unanswered flow control requests, oldest first. */
  readonly #flow: string[] = []
  #sinceFlow = 0
  #isScheduled = false
  #sentSomething = true

  constructor(host: ConsumerHost, log: PartitionLog, connection: ModelConnection, settings: ConsumerSettings) {
    this.#host = host
    this.log = log
    this.rewrites = log.rewrites.length
    this.connection = connection
    this.settings = settings
    this.next = settings.start
    this.losing = settings.losing
  }

  /** Starts pushing. */
  begin(): void {
    this.#schedule()
    this.#host.later(this.settings.heartbeatMs, () => this.#beat())
  }

  flowed(subject: string): void {
    if (!this.#flow.includes(subject)) return
    this.#flow.length = 0
    this.#schedule()
  }

  // Push

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    this.#host.soon(betweenMs, () => {
      this.#isScheduled = false
      this.#push()
    })
  }

  #push(): void {
    if (this.#host.isGone(this) || this.silent || this.paused) return
    const { batch, deliverTo } = this.settings
    // The client no longer wants records that it requested a moment ago.
    if (this.#flow.length >= maxFlowQuestions || !this.connection.interest.has(deliverTo!)) return
    if (this.#show(batch, deliverTo!)) this.#schedule()
    else this.log.wait(() => this.#schedule())
  }

  /** Sends up to `most` messages. Returns true if there are more. */
  #show(most: number, to: string): boolean {
    const entries = visible(this.log, Math.max(this.next, this.log.first), this.log.head)
    for (const [i, record] of entries.slice(0, most).entries()) {
      this.next = record.offset + 1
      const counted = { consumerSequence: ++this.sequence, pending: entries.length - 1 - i }
      this.#sentSomething = true
      if (this.losing > 0) this.losing--
      else
        this.connection.send(
          recordMessage(this.settings.stream, to, record, ackSubject(this.#host.placeOf(this), record, counted)),
        )
      if (++this.#sinceFlow >= flowMessages) this.#askForFlow(to)
    }
    return entries.length > most
  }

  #askForFlow(to: string): void {
    this.#sinceFlow = 0
    const { stream, name } = this.settings
    const reply = `$JS.FC.${stream}.${name}.${this.sequence}`
    this.#flow.push(reply)
    this.connection.send({ to, subject: to, reply, headers: statusHeaders('100 FlowControl Request'), data: nothing })
  }

  #beat(): void {
    if (this.#host.isGone(this)) return
    const { heartbeatMs, deliverTo: to } = this.settings
    this.#host.later(heartbeatMs, () => this.#beat())
    const isDue = !this.#sentSomething && !this.silent
    this.#sentSomething = false
    if (!isDue) return
    const [stalled] = this.#flow
    const headers = statusHeaders('100 Idle Heartbeat', {
      'Nats-Last-Consumer': String(this.sequence),
      'Nats-Last-Stream': String(this.next - 1),
      ...(stalled === undefined ? {} : { 'Nats-Consumer-Stalled': stalled }),
    })
    this.connection.send({ to: to!, subject: to!, headers, data: nothing })
  }

  // Pull

  /**
   * Answers one pull request that does not wait. `early`: the request ends with `status` after
   * `most` messages.
   */
  pull(to: string, { batch, maxBytes }: { batch: number; maxBytes: number }, early?: { most: number; status: string }) {
    const entries = visible(this.log, Math.max(this.next, this.log.first), this.log.head)
    let left = maxBytes
    let sent = 0
    const end = (status: string) =>
      this.connection.send({ to, subject: to, headers: statusHeaders(status), data: nothing })
    for (const record of entries.slice(0, batch)) {
      if (early !== undefined && sent >= early.most) return end(early.status)
      const counted = { consumerSequence: this.sequence + 1, pending: entries.length - 1 - sent }
      const message = recordMessage(
        this.settings.stream,
        to,
        record,
        ackSubject(this.#host.placeOf(this), record, counted),
      )
      left -= message.subject.length + message.reply!.length + message.headers!.length + message.data.length
      if (left < 0) return end('409 Message Size Exceeds MaxBytes')
      this.next = record.offset + 1
      this.sequence++
      sent++
      if (this.losing > 0) this.losing--
      else this.connection.send(message)
    }
    if (sent < batch) end('404 No Messages')
  }
}
