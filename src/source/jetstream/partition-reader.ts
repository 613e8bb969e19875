import { AckPolicy, DeliverPolicy } from '@nats-io/jetstream'
import { createInbox, type Msg, type MsgImpl, type NatsConnection, type Subscription } from '@nats-io/transport-node'
import type { TailSink } from '../source.ts'
import { firstSequence, type JetStreamApi, type StreamFacts } from './api.ts'
import { Delivery } from './delivery.ts'
import { LastRead } from './last-read.ts'
import type { Layout } from './layout.ts'
import { KeyPrefix, MessageView } from './message-view.ts'
import type { NatsOptions } from './options.ts'

/** The server forgets a consumer that nobody listens to after so long, ms. */
const inactiveMs = 30_000
const nsPerMs = 1_000_000

/**
 * A backlog from which on a reader waits for its turn, bytes: a server sends up to 2 MiB to each new consumer at once and up to 32 MiB later, and ends a
 * connection for which 64 MiB wait.
 */
const backlogBytes = 256 << 10
/** A reader with fewer messages before it has caught up. */
const caughtUpMessages = 64

/**
 * Looks in a row by which a consumer must have given nothing of what its stream has, until it is made anew: doubled, so many times at most, for each one that gave nothing either.
 */
const patientLooks = 3
const maxDoublings = 4

/** What it costs to hold a message while the server is asked, beside its bytes. */
const heldOverheadBytes = 300

/** The tail, as its readers see it. */
export interface PartitionReaderOwner {
  readonly layout: Layout
  readonly api: JetStreamApi
  readonly options: NatsOptions
  readonly sink: TailSink
  readonly closed: boolean
  /** It is to show records, or that there are none: until `read` it counts as one that can't be read, and `why` is told. '' = nothing is known to be wrong. */
  awaits(reader: PartitionReader, why: string): void
  /** It can be read: it has shown a record that it was to show, or the stream has none for it. */
  read(reader: PartitionReader): void
  /** Asks to read a backlog: one reader at a time. False = not yet; it is opened again when it may. */
  takeTurn(reader: PartitionReader): boolean
  /** It has caught up. */
  endTurn(reader: PartitionReader): void
  /** It has shown records: its `end` is called once what came with them is through. */
  shown(reader: PartitionReader): void
  /** The server says less of the log than was read of it: it is asked once more, and is opened again for that in a while. */
  doubtful(reader: PartitionReader): void
  /** Its consumer can't be relied on any more: another one, at once. */
  broken(reader: PartitionReader, why: string): void
  /** There is no such stream (any more). */
  lacking(reader: PartitionReader): void
  /** Whether all of the family is another one, or gone: that is told once, and not of each partition. The reader is opened again then. */
  familyChanged(reader: PartitionReader): Promise<boolean>
}

/**
 * Reads one partition through an ephemeral push consumer in the server's memory: no acknowledgements, flow control, heartbeats. What
 * is not as it must be (a consumer sequence that jumps, silence, a stream that changed) ends the consumer, and the next one
 * begins at `next`: so nothing is lost and nothing comes twice.
 */
export class PartitionReader {
  readonly partition: number
  /** The next sequence to be shown. */
  next: number
  /** The creation of the stream that is read; '' before it is known. */
  created = ''
  failures = 0
  /** The tail does not read this partition any more, or has another reader for it. */
  dropped = false
  /** Records were shown whose batch is not closed. */
  unended = false
  #inTurn = false
  readonly #tail: PartitionReaderOwner
  readonly #stream: string
  readonly #prefix: KeyPrefix
  readonly #last: LastRead
  readonly #delivery = new Delivery()
  readonly #view = new MessageView()
  #first = firstSequence
  #head = 0
  /** `next` at the last look at the stream. */
  #nextAtLook = 0
  #nextAtQuietLook = -1
  /** Counts consumers: what an earlier one still brings is not looked at. */
  #version = 0
  #connection: NatsConnection | undefined
  #subscription: Subscription | undefined
  #consumer = ''
  #consumerSequence = 0
  /** The consumer is there, and its stream is the one that is read. */
  #isConsuming = false
  #heardMs = 0
  #heard = false
  /** Messages behind a hole, until the server has said whether the hole is a loss. */
  #held: MsgImpl[] | undefined
  #heldBytes = 0
  #flowReply: string | undefined
  /** A first sequence beyond `next` that the server told at the last look: told again, what is before it is lost. */
  #passedBy = 0
  /** Where `next` stood when a record was awaited; -1 = none is. */
  #awaitedAt = -1
  /** Looks in a row at which the stream had records and `next` did not move. */
  #idleLooks = 0
  /** Consumers in a row that gave nothing. */
  #barren = 0
  /** There is no record from `next` up to here: they were deleted. */
  #emptyUpTo = 0

  /** `from`: the first sequence to be shown. */
  constructor(tail: PartitionReaderOwner, partition: number, from = firstSequence) {
    this.#tail = tail
    this.partition = partition
    this.next = Math.max(firstSequence, from)
    this.#stream = tail.layout.stream(partition)
    this.#last = new LastRead(tail.api, this.#stream)
    this.#prefix = new KeyPrefix(tail.layout.prefix(partition))
  }

  /** Nothing more is to be told: the sink may have closed the tail or dropped the partition. */
  get #isOver(): boolean {
    return this.dropped || this.#tail.closed
  }

  get reading(): boolean {
    return this.#subscription !== undefined
  }

  /** Ends what is open. */
  stop(): void {
    if (!this.#isOver) this.#noticeShown()
    this.#version++
    this.unended = false
    this.#held = undefined
    this.#flowReply = undefined
    this.#inTurn = false
    this.#awaitedAt = -1
    this.#idleLooks = 0
    this.#isConsuming = false
    const { current } = this.#tail.api.link
    if (this.#subscription !== undefined && current === this.#connection) {
      this.#subscription.unsubscribe()
      this.#tail.api.dropConsumer(this.#stream, this.#consumer)
    }
    this.#subscription = undefined
  }

  drop(): void {
    this.dropped = true
    this.stop()
  }

  /** The log is another one: on from its first record. */
  restart(): void {
    this.stop()
    this.next = firstSequence
    this.created = ''
    this.#last.forget()
    this.#first = firstSequence
    this.#head = 0
    this.#emptyUpTo = 0
  }

  /** Begins to read, with what is open ended before. Rejects when it can't; nothing is open then. */
  async open(connection: NatsConnection): Promise<void> {
    this.stop()
    this.#tail.awaits(this, '')
    const version = this.#version
    const stale = () => this.#version !== version || this.#tail.closed
    const { api } = this.#tail
    const stream = await api.stream(this.#stream)
    if (stale()) return
    if (stream === undefined) return this.#tail.lacking(this)
    if (this.created !== stream.created) {
      if (await this.#tail.familyChanged(this)) return
      if (stale()) return
      if (this.created !== '') this.#anotherStream(stream)
    }
    this.created = stream.created
    const agreed = await this.#last.agreed(this.next, stream)
    if (stale()) return
    if (agreed === undefined) return this.#tail.doubtful(this)
    this.#begin(stream, agreed)
    if (stale()) return
    const { next } = this
    await this.#last.look(next - 1, stream, () => this.next !== next)
    if (stale()) return
    this.end()
    if (stale()) return
    this.#inTurn = (stream.head - this.next) * stream.recordBytes > backlogBytes
    if (!this.#inTurn) this.#tail.endTurn(this)
    else if (!this.#tail.takeTurn(this)) {
      // Others are read meanwhile, and it is nobody's fault.
      if (this.failures === 0) this.#tail.read(this)
      return
    }
    this.#awaitedAt = this.next
    const pending = await this.#subscribe(connection, stream, version)
    if (stale()) return
    this.#isConsuming = true
    this.failures = 0
    if (pending === 0) this.#proven()
  }

  /** What was awaited has come. */
  #noticeShown(): void {
    if (this.#awaitedAt >= 0 && this.next > this.#awaitedAt) this.#proven()
  }

  #proven(): void {
    this.#awaitedAt = -1
    this.#idleLooks = 0
    this.#barren = 0
    this.#tail.read(this)
  }

  /** Closes the batch that was shown since the last call. */
  end(): void {
    if (this.#isOver) return
    this.unended = false
    this.#noticeShown()
    if (this.#isOver) return
    if (this.#inTurn && this.#consumerSequence > 0 && this.#delivery.pending < caughtUpMessages) {
      this.#inTurn = false
      this.#tail.endTurn(this)
    }
    this.#head = Math.max(this.#head, this.#delivery.streamSequence + 1 + this.#delivery.pending)
    this.#tail.sink.end(this.partition, this.next, { first: this.#first, head: this.#head })
  }

  /** To be called at each beat: false when the consumer has been silent for too long. */
  isHeard(nowMs: number, silenceMs: number): boolean {
    if (this.#heard) this.#heardMs = nowMs
    this.#heard = false
    return this.#subscription === undefined || nowMs - this.#heardMs < silenceMs
  }

  /** Nothing was shown since the last time this was asked. */
  isQuiet(): boolean {
    const { next } = this
    const isQuiet = this.#isConsuming && next === this.#nextAtQuietLook
    this.#nextAtQuietLook = next
    return isQuiet
  }

  /**
   * A look at the stream while nothing is shown. A consumer may be alive, by its heartbeats, and give nothing of what the stream has: it was paused, its
   * flow control got lost, the server's own faults. Nothing but another one helps.
   */
  async lookWhileQuiet(): Promise<void> {
    const version = this.#version
    const { next } = this
    const isOver = () => version !== this.#version || this.#isOver || this.next !== next
    const { api } = this.#tail
    const stream = await api.stream(this.#stream)
    if (isOver() || stream === undefined || stream.created !== this.created) return
    const { head } = stream
    if (head <= Math.max(next, this.#emptyUpTo)) {
      if (this.#awaitedAt >= 0) this.#proven()
      return
    }
    if (!(await api.hasFrom(this.#stream, next))) {
      if (isOver()) return
      this.#emptyUpTo = head
      if (this.#awaitedAt >= 0) this.#proven()
      return
    }
    if (isOver()) return
    this.#head = Math.max(this.#head, head)
    this.#awaitedAt = next
    const why = `its consumer sends nothing, although the stream has records from ${next} on`
    this.#tail.awaits(this, why)
    this.end()
    if (isOver() || ++this.#idleLooks < patientLooks * 2 ** Math.min(this.#barren, maxDoublings)) return
    this.#barren++
    this.#tail.broken(this, why)
  }

  /** What a look at the stream has told, from time to time. */
  learned({ first, head, created }: StreamFacts): void {
    if (!this.reading || created !== this.created) return
    // What was read before this question was asked has left the log, or a server that is behind answered: opened again, it is asked.
    if (head < this.#nextAtLook) {
      this.#tail.broken(this, `the stream ends at ${head}, below what was read`)
      return
    }
    this.#nextAtLook = this.next
    this.#first = first
    this.#head = Math.max(this.#head, head)
    // What was sent before may still come: only who is passed by at two looks has lost something.
    if (first <= this.next || this.#passedBy === 0) {
      this.#passedBy = first > this.next ? first : 0
      return
    }
    this.#lost(first)
    this.end()
  }

  // Opening

  #begin({ begin, first, head }: StreamFacts, agreed: number): void {
    const { sink } = this.#tail
    this.#first = first
    this.#head = head
    this.#delivery.streamSequence = 0
    this.#delivery.pending = 0
    this.#passedBy = 0
    this.#nextAtLook = 0
    if (agreed < this.next) {
      const to = this.next - 1
      this.next = agreed
      this.#last.forget()
      sink.lost(this.partition, agreed, to, 'rewritten')
    }
    if (this.#isOver) return
    // Nothing ever was below its beginning.
    this.next = Math.max(this.next, begin)
    if (this.next < first) this.#lost(first)
  }

  /** The stream of this partition alone was deleted and created again: told as a rewrite from its first record on. */
  #anotherStream(stream: StreamFacts): void {
    const first = Math.max(stream.begin, stream.first)
    const to = this.next - 1
    this.#last.forget()
    if (first <= to) {
      this.next = first
      this.#tail.sink.lost(this.partition, first, to, 'rewritten')
    }
  }

  /** Messages that the new consumer has for us, beside what was read before. */
  async #subscribe(connection: NatsConnection, { head }: StreamFacts, version: number): Promise<number> {
    const { options, api } = this.#tail
    const inbox = createInbox(options.inboxPrefix)
    const name = `carillon_${inbox.slice(inbox.lastIndexOf('.') + 1)}`
    const callback = (error: unknown, message: Msg) => {
      if (version === this.#version && !this.#tail.closed) this.#message(error, message as MsgImpl)
    }
    this.#connection = connection
    this.#subscription = connection.subscribe(inbox, { callback })
    this.#consumer = name
    this.#consumerSequence = 0
    this.#heard = true
    // With the record below `next`: it shows that the log is still the one that was looked at. A start beyond the end would be the end on
    // some servers.
    const start = Math.max(1, Math.min(this.#last.isBelow ? this.next - 1 : this.next, head))
    // It may be another stream's, which took the place of this one: nothing is shown before that is known.
    this.#held = []
    this.#heldBytes = 0
    const { num_pending: pending } = await api.addConsumer(this.#stream, {
      name,
      deliver_subject: inbox,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: start,
      ack_policy: AckPolicy.None,
      mem_storage: true,
      num_replicas: 1,
      flow_control: true,
      idle_heartbeat: options.heartbeatMs * nsPerMs,
      inactive_threshold: inactiveMs * nsPerMs,
    })
    await this.#judge(version)
    return Math.max(0, pending - (start < this.next ? 1 : 0))
  }

  // The hot path

  #message(error: unknown, message: MsgImpl): void {
    this.#heard = true
    const delivery = this.#delivery
    const reply = error ? undefined : message._msg.reply
    if (reply === undefined || !delivery.read(reply)) this.#control(error, message)
    else if (delivery.consumerSequence !== this.#consumerSequence + 1) {
      this.#tail.broken(this, `message ${this.#consumerSequence + 1} of its consumer is missing`)
    } else {
      this.#consumerSequence++
      if (this.#held !== undefined || delivery.streamSequence > this.next) this.#hold(message)
      else this.#show(message)
    }
  }

  #show(message: MsgImpl): void {
    const delivery = this.#delivery
    if (delivery.streamSequence < this.next) {
      this.#compare()
      return
    }
    this.next = delivery.streamSequence + 1
    this.#last.set(delivery)
    this.#view.set(message, delivery, this.partition, this.#prefix)
    this.#tail.sink.record(this.#view)
    if (delivery.pending === 0) this.end()
    else this.#tail.shown(this)
  }

  /** It was read before: the consumer begins with the record below `next`. */
  #compare(): void {
    const delivery = this.#delivery
    if (this.#last.isAnother(delivery, this.next)) {
      this.#tail.broken(this, `the record at ${delivery.streamSequence} is another one than was read`)
    }
  }

  /** Heartbeats and requests of flow control: neither has a payload. */
  #control(error: unknown, message: MsgImpl): void {
    if (error) {
      this.#tail.broken(this, String(error))
      return
    }
    const { headers } = message
    const reply = message._msg.reply === undefined ? (headers?.get('Nats-Consumer-Stalled') ?? '') : message.reply
    if (reply !== '') {
      // Not before what it counts is shown: so the server sends no more than is held.
      if (this.#held !== undefined) this.#flowReply = reply
      else this.#connection?.publish(reply)
    }
    const last = headers?.get('Nats-Last-Consumer') ?? ''
    if (last !== '' && Number(last) !== this.#consumerSequence) {
      this.#tail.broken(this, `its consumer sent ${last} messages, of which ${this.#consumerSequence} came`)
    }
  }

  // Holes

  /** Sequences are missing before this message: deleted ones, as is normal, or a loss. The server's first sequence decides. */
  #hold(message: MsgImpl): void {
    if (this.#held !== undefined) this.#held.push(message)
    else {
      this.#held = [message]
      this.#heldBytes = 0
      void this.#judge(this.#version)
    }
    this.#heldBytes += message.size() + heldOverheadBytes
    if (this.#heldBytes <= this.#tail.options.maxHeldBytes || this.#subscription === undefined) return
    // The consumer ends here; the next one goes on behind what is held.
    this.#subscription.unsubscribe()
    this.#tail.api.dropConsumer(this.#stream, this.#consumer)
    this.#subscription = undefined
  }

  /** Asks until all that is held was there when it was asked. */
  async #judge(version: number): Promise<void> {
    const stale = () => version !== this.#version || this.#tail.closed
    try {
      do {
        if (stale()) return
        const known = this.#held?.length ?? 0
        const stream = await this.#tail.api.stream(this.#stream)
        if (stale()) return
        this.#expectOwn(stream, known)
        this.#release(stream, known)
      } while (this.#held !== undefined)
      if (stale()) return
    } catch (error) {
      if (!stale()) this.#tail.broken(this, (error as Error).message)
      return
    }
    if (this.#subscription === undefined) return this.#tail.broken(this, '')
    if (this.#flowReply !== undefined) this.#connection?.publish(this.#flowReply)
    this.#flowReply = undefined
  }

  /** Throws where the answer is of another stream, or of a server that is behind: it says nothing of what is held. */
  #expectOwn(stream: StreamFacts | undefined, known: number): asserts stream is StreamFacts {
    if (stream === undefined) throw new Error(`stream ${this.#stream} is gone`)
    let end = this.#last.reached ? this.next : 0
    if (known > 0) {
      this.#delivery.read(this.#held![known - 1]!._msg.reply!)
      end = this.#delivery.streamSequence + 1
    }
    if (stream.created === this.created && stream.head >= end) return
    throw new Error('the server answered of another stream, or another time, than that of what it sent')
  }

  /** Shows the first `known` of what is held, and what is behind them without a further hole. */
  #release({ first, head }: StreamFacts, known: number): void {
    const held = this.#held!
    const delivery = this.#delivery
    const version = this.#version
    this.#first = first
    this.#head = Math.max(this.#head, head)
    let at = 0
    for (; at < held.length; at++) {
      const message = held[at]!
      delivery.read(message._msg.reply!)
      if (delivery.streamSequence > this.next) {
        if (at >= known) break
        if (first > this.next) this.#lost(Math.min(first, delivery.streamSequence))
        if (version !== this.#version || this.#tail.closed) return
      }
      this.#show(message)
      if (version !== this.#version || this.#tail.closed) return
    }
    this.#held = at < held.length ? held.slice(at) : undefined
  }

  #lost(first: number): void {
    const from = this.next
    this.next = first
    this.#last.passedLoss()
    this.#passedBy = 0
    this.#tail.sink.lost(this.partition, from, first - 1, 'retention')
  }
}
