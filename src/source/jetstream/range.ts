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

/** Records of one chunk. */
const maxBatch = 4096

const messageMissing = 'a message was lost on its way'

/** Whether a status says that there is no more, or no more that fits. */
function isThrough({ headers }: Msg): boolean {
  const { code, description = '' } = headers ?? {}
  return code === 404 || (code === 409 && description.includes('MaxBytes'))
}

/**
 * One chunk of one partition's past, through a pull consumer for this one use. All of it is held until the server has been asked for its
 * first sequence: JetStream passes what is gone without a word, and a hole in the chunk is one or the other by that answer.
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

  /** Throws where `after`, by which holes are judged, is of another stream, or of a server that is behind. */
  #expectNewer(before: StreamFacts, after: StreamFacts, last: MsgImpl | undefined): void {
    const delivery = new Delivery()
    if (last !== undefined) delivery.read(last._msg.reply!)
    const isNewer = after.first >= before.first && after.head >= Math.max(before.head, delivery.streamSequence + 1)
    if (isNewer && after.created === before.created) return
    const said = `stream ${this.#name}: the answers of the server contradict each other`
    throw new CarillonError('broker_unavailable', `${said}; ask again`)
  }

  /** At least one message, unless all of [start, end) were deleted meanwhile; in order, from the first one on. */
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
        // A record larger than the chunk comes only when no size is named.
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
      // What came of a request that ended early is as good, whatever ended it.
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

  /** Shows what is certainly complete; where the next chunk begins. */
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
      // Retention may have passed this hole: the next chunk begins with it, and its caller sees by `first` what is gone.
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
