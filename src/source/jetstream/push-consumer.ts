import { AckPolicy, DeliverPolicy } from '@nats-io/jetstream'
import { createInbox, type Msg, type MsgImpl, type NatsConnection, type Subscription } from '@nats-io/transport-node'
import type { JetStreamApi } from './api.ts'
import type { Delivery } from './delivery.ts'
import type { NatsOptions } from './options.ts'

/** The server drops a consumer without subscribers after this time, ms. */
const inactiveMs = 30_000
const nsPerMs = 1_000_000

/** The reader of a consumer. Nothing is called after `end`. */
export interface PushConsumerOwner {
  /** Takes the next message with a record, in consumer order; `delivery` describes it. */
  message(message: MsgImpl): void
  /**
   * Whether the owner holds messages that it has not shown; flow control then waits for
   * `releaseFlow`.
   */
  isHolding(): boolean
  /** The consumer missed messages, or the server reported an error. `why` is for operators. */
  broken(why: string): void
}

export interface PushConsumerContext {
  readonly api: JetStreamApi
  readonly options: NatsOptions
  readonly connection: NatsConnection
  /** Name of the JetStream stream. */
  readonly stream: string
  /** Receives the description of each message before `message` is called. */
  readonly delivery: Delivery
}

/**
 * One ephemeral push consumer in the server's memory, without acknowledgements, with flow control
 * and heartbeats. It delivers each message of the consumer once and in order, or reports that it
 * is broken; it never repairs itself. Used once: `start`, then `end`.
 */
export class PushConsumer {
  readonly #context: PushConsumerContext
  readonly #owner: PushConsumerOwner
  #subscription: Subscription | undefined
  #name = ''
  #consumerSequence = 0
  #heardMs = 0
  #heard = true
  /** A flow-control request that waits for the messages before it to be shown. */
  #flowReply: string | undefined

  constructor(context: PushConsumerContext, owner: PushConsumerOwner) {
    this.#context = context
    this.#owner = owner
  }

  get isOpen(): boolean {
    return this.#subscription !== undefined
  }

  get hasDelivered(): boolean {
    return this.#consumerSequence > 0
  }

  /**
   * Subscribes and creates the consumer at stream sequence `from`. Messages may arrive before this
   * resolves. Returns the number of messages that the consumer has to deliver.
   */
  async start(from: number): Promise<number> {
    const { api, options, connection, stream } = this.#context
    const inbox = createInbox(options.inboxPrefix)
    this.#name = `carillon_${inbox.slice(inbox.lastIndexOf('.') + 1)}`
    const callback = (error: unknown, message: Msg) => {
      if (this.#subscription !== undefined) this.#message(error, message as MsgImpl)
    }
    this.#subscription = connection.subscribe(inbox, { callback })
    const { num_pending: pending } = await api.addConsumer(stream, {
      name: this.#name,
      deliver_subject: inbox,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: from,
      ack_policy: AckPolicy.None,
      mem_storage: true,
      num_replicas: 1,
      flow_control: true,
      idle_heartbeat: options.heartbeatMs * nsPerMs,
      inactive_threshold: inactiveMs * nsPerMs,
    })
    return pending
  }

  /** Unsubscribes, and deletes the consumer if its connection is still the current one. */
  end(): void {
    const { api, connection, stream } = this.#context
    if (this.#subscription !== undefined && api.link.current === connection) {
      this.#subscription.unsubscribe()
      api.dropConsumer(stream, this.#name)
    }
    this.#subscription = undefined
  }

  /** Called at each beat; returns false once an open consumer has been silent for `silenceMs`. */
  isHeard(nowMs: number, silenceMs: number): boolean {
    if (this.#heard) this.#heardMs = nowMs
    this.#heard = false
    return this.#subscription === undefined || nowMs - this.#heardMs < silenceMs
  }

  /** Answers the flow-control request that waited for held messages, if there is one. */
  releaseFlow(): void {
    if (this.#flowReply !== undefined) this.#context.connection.publish(this.#flowReply)
    this.#flowReply = undefined
  }

  // The hot path

  #message(error: unknown, message: MsgImpl): void {
    this.#heard = true
    const { delivery } = this.#context
    const reply = error ? undefined : message._msg.reply
    if (reply === undefined || !delivery.read(reply)) this.#control(error, message)
    else if (delivery.consumerSequence !== this.#consumerSequence + 1) {
      this.#owner.broken(`message ${this.#consumerSequence + 1} of its consumer is missing`)
    } else {
      this.#consumerSequence++
      this.#owner.message(message)
    }
  }

  /** Handles heartbeats and flow-control requests; neither has a payload. */
  #control(error: unknown, message: MsgImpl): void {
    if (error) {
      this.#owner.broken(String(error))
      return
    }
    const { headers } = message
    const reply = message._msg.reply === undefined ? (headers?.get('Nats-Consumer-Stalled') ?? '') : message.reply
    if (reply !== '') {
      // Answered only after the messages before it are shown, so that held messages stay bounded.
      if (this.#owner.isHolding()) this.#flowReply = reply
      else this.#context.connection.publish(reply)
    }
    const last = headers?.get('Nats-Last-Consumer') ?? ''
    if (last !== '' && Number(last) !== this.#consumerSequence) {
      this.#owner.broken(`its consumer sent ${last} messages, but ${this.#consumerSequence} arrived`)
    }
  }
}
