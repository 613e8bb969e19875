import { DeliverPolicy } from '@nats-io/jetstream'
import { createInbox, errors, type Msg, type MsgImpl, type NatsConnection } from '@nats-io/transport-node'
import type { Clock } from '../../base/clock.ts'
import { CarillonError } from '../../base/errors.ts'
import type { Chunk, RangeEnd, RangeSink, StreamInfo } from '../source.ts'
import { type JetStreamApi, passing, type StreamFacts } from './api.ts'
import { Delivery } from './delivery.ts'
import { familyFacts } from './family.ts'
import { type Layout, layoutOf } from './layout.ts'
import { KeyPrefix, MessageView } from './message-view.ts'
import type { NatsOptions } from './options.ts'

/** Maximum records of one chunk. */
const maxBatch = 4096

const messageMissing = 'a message was lost in transit'

/** Returns whether a status ends a request normally: no more records, or none that fits. */
function isThrough({ headers }: Msg): boolean {
  const { code, description = '' } = headers ?? {}
  return code === 404 || (code === 409 && description.includes('MaxBytes'))
}

/**
 * Reads one chunk of a partition's past through a single-use pull consumer. It holds the chunk
 * until it has asked the server for the first sequence: JetStream skips removed records silently,
 * and that answer shows whether a hole is deleted records or retention.
 */
export class RangeRead {
  readonly #api: JetStreamApi
  readonly #options: NatsOptions
  readonly #clock: Clock
  readonly #stream: StreamInfo
  readonly #chunk: Chunk
  readonly #layout: Layout
  readonly #name: string

  constructor(
    api: JetStreamApi,
    { options, clock }: { options: NatsOptions; clock: Clock },
    stream: StreamInfo,
    chunk: Chunk,
  ) {
    this.#api = api
    this.#options = options
    this.#clock = clock
    this.#stream = stream
    this.#chunk = chunk
    this.#layout = layoutOf(options, stream.name)
    this.#name = this.#layout.stream(chunk.partition)
  }

  async read(sink: RangeSink): Promise<RangeEnd> {
    const { partition, from, to } = this.#chunk
    const before = await familyFacts(this.#api, this.#layout, this.#stream, partition)
    const { head } = before
    const start = Math.max(from, before.first)
    const end = Math.min(to, head)
    if (start >= end) return { next: Math.max(from, Math.min(to, Math.max(before.first, head))), offsets: before }
    const messages = await this.#fetch(start, end)
    const after = await familyFacts(this.#api, this.#layout, this.#stream, partition)
    this.#expectNewer(before, after, messages.at(-1))
    const next = this.#show(messages, { start, end, first: after.first }, sink)
    return { next, offsets: { first: after.first, head: Math.max(head, after.first) } }
  }

  /** Throws if `after`, which judges the holes, is from another stream or an outdated server. */
  #expectNewer(before: StreamFacts, after: StreamFacts, last: MsgImpl | undefined): void {
    const delivery = new Delivery()
    if (last !== undefined) delivery.read(last._msg.reply!)
    const isNewer = after.first >= before.first && after.head >= Math.max(before.head, delivery.streamSequence + 1)
    if (isNewer && after.created === before.created) return
    const said = `stream ${this.#name}: the answers of the server contradict each other`
    throw new CarillonError('broker_unavailable', `${said}; ask again`)
  }

  /**
   * Returns messages in order from the first one on: at least one, unless all of [start, end) were
   * deleted meanwhile.
   */
  #fetch(start: number, end: number): Promise<MsgImpl[]> {
    return this.#api.run(`stream ${this.#name}`, async (manager, connection) => {
      const inbox = createInbox(this.#options.inboxPrefix)
      const { name } = await manager.consumers.add(this.#name, {
        ...passing(inbox),
        deliver_policy: DeliverPolicy.StartSequence,
        opt_start_seq: start,
      })
      const batch = Math.min(maxBatch, end - start)
      try {
        const fits = { batch, max_bytes: this.#chunk.maxBytes }
        const found = await this.#pull(connection, { inbox, name, end }, fits)
        // The server sends a record larger than the chunk only to a request without a size.
        if (found.length > 0) return found
        const one = await this.#pull(connection, { inbox: `${inbox}1`, name, end }, { batch: 1 })
        if (one.length > 0) return one
        const { delivered } = await manager.consumers.info(this.#name, name)
        if (delivered.consumer_seq > 0) throw new Error(messageMissing)
        return []
      } finally {
        this.#api.dropConsumer(this.#name, name)
      }
    })
  }

  #pull(
    connection: NatsConnection,
    { inbox, name, end }: { inbox: string; name: string; end: number },
    request: { batch: number; max_bytes?: number },
  ): Promise<MsgImpl[]> {
    const found: MsgImpl[] = []
    const delivery = new Delivery()
    return new Promise((resolve, reject) => {
      // Messages received before a request ended early are valid, whatever ended it.
      const settle = (error?: Error) => {
        cancel()
        subscription.unsubscribe()
        if (error === undefined || found.length > 0) resolve(found)
        else reject(error)
      }
      const cancel = this.#clock.after(this.#options.requestTimeoutMs, () => settle(new errors.TimeoutError()))
      const subscription = connection.subscribe(inbox, {
        callback: (error, message) => {
          if (error) return settle(error)
          const { reply } = (message as MsgImpl)._msg
          if (reply === undefined || !delivery.read(reply)) {
            return settle(isThrough(message) ? undefined : new Error('the server ended the request before its end'))
          }
          if (delivery.consumerSequence !== found.length + 1) return settle(new Error(messageMissing))
          found.push(message as MsgImpl)
          const { streamSequence, pending } = delivery
          if (found.length === request.batch || pending === 0 || streamSequence + 1 >= end) settle()
        },
      })
      const subject = `${this.#api.prefix}.CONSUMER.MSG.NEXT.${this.#name}.${name}`
      connection.publish(subject, JSON.stringify({ ...request, no_wait: true }), { reply: inbox })
    })
  }

  /**
   * Shows the records up to the first hole that retention may have made; returns where the next
   * chunk begins.
   */
  #show(
    messages: readonly MsgImpl[],
    { start, end, first }: { start: number; end: number; first: number },
    sink: RangeSink,
  ): number {
    const { partition } = this.#chunk
    const delivery = new Delivery()
    const view = new MessageView()
    const prefix = new KeyPrefix(this.#layout.prefix(partition))
    let next = start
    for (const message of messages) {
      delivery.read(message._msg.reply!)
      const { streamSequence } = delivery
      // Retention may have made this hole. The next chunk begins with it, and `first` tells the
      // caller what was lost.
      if (streamSequence > next && next < first && next > start) return next
      if (streamSequence >= end) return end
      view.set(message, delivery, partition, prefix)
      sink.record(view)
      next = streamSequence + 1
    }
    const rest = messages.length === 0 || delivery.pending === 0
    return rest ? Math.max(next, end) : next
  }
}
