import type { MsgImpl, NatsConnection } from '@nats-io/transport-node'
import type { TailSink } from '../source.ts'
import { firstSequence, type JetStreamApi, type StreamFacts } from './api.ts'
import { Delivery } from './delivery.ts'
import { LastRead } from './last-read.ts'
import type { Layout } from './layout.ts'
import { KeyPrefix, MessageView } from './message-view.ts'
import type { NatsOptions } from './options.ts'
import { PushConsumer } from './push-consumer.ts'

/**
 * Readers with a backlog above this wait for their turn, bytes. A server sends up to 2 MiB at once
 * to each new consumer and up to 32 MiB later, and closes a connection with 64 MiB pending.
 */
const backlogBytes = 256 << 10
/** A reader has caught up once fewer messages than this are pending. */
const caughtUpMessages = 64

/**
 * Consecutive looks without progress, while the stream has records, after which the consumer is
 * replaced. Doubles for each replacement that also delivers nothing, at most `maxDoublings` times.
 */
const patientLooks = 3
const maxDoublings = 4

/** Memory that a held message takes beyond its own bytes, roughly. */
const heldOverheadBytes = 300

/** The tail, as its readers see it. */
export interface PartitionReaderOwner {
  readonly layout: Layout
  readonly api: JetStreamApi
  readonly options: NatsOptions
  readonly sink: TailSink
  readonly closed: boolean
  /**
   * The reader must now show a record or find that there is none. Until it calls `read`, the
   * partition counts as unreadable because of `why`; '' = no known problem.
   */
  awaits(reader: PartitionReader, why: string): void
  /** The partition is readable: an awaited record was shown, or the stream has none. */
  read(reader: PartitionReader): void
  /**
   * Requests the turn to read a backlog, which one reader has at a time. False = wait; the tail
   * opens the reader again at its turn.
   */
  takeTurn(reader: PartitionReader): boolean
  /** The reader has caught up and returns its turn. */
  endTurn(reader: PartitionReader): void
  /**
   * The reader has shown records. The tail calls `end` once the rest of the same read is
   * processed.
   */
  shown(reader: PartitionReader): void
  /**
   * The server's log is shorter than the part already read. The tail opens the reader again after
   * a pause to confirm it.
   */
  doubtful(reader: PartitionReader): void
  /** The consumer is unreliable; the tail replaces it. `why` is for operators; '' = no fault. */
  broken(reader: PartitionReader, why: string): void
  /** The stream does not exist (any more). */
  lacking(reader: PartitionReader): void
  /**
   * Returns true if the whole family was re-created or deleted. The tail then reports that once
   * for all partitions, and opens the reader again.
   */
  familyChanged(reader: PartitionReader): Promise<boolean>
}

/**
 * Reads one partition through one `PushConsumer` after another. It turns stream sequences into
 * records, losses and rewrites: it decides whether a hole is deleted records or retention, and
 * whether the log is still the one that was read. Any irregularity (a consumer sequence that
 * jumps, silence, a changed stream) ends the consumer, and the next one starts at `next`. So no
 * record is lost or shown twice.
 */
export class PartitionReader {
  readonly partition: number
  /** The next stream sequence to show. */
  next: number
  /** Creation time of the stream that is read; '' = not known yet. */
  created = ''
  failures = 0
  /** The tail no longer reads this partition, or uses another reader for it. */
  dropped = false
  /** Records were shown since the last `end`. */
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
  /** `next` at the last call of `learned`. */
  #nextAtLook = 0
  /** `next` at the last call of `isQuiet`. */
  #nextAtQuietLook = -1
  /** Incremented at each stop: an asynchronous step that began under another version is stale. */
  #version = 0
  #consumer: PushConsumer | undefined
  /** The consumer exists, and it reads the stream of `created`. */
  #isConsuming = false
  /** Messages after a hole, until the server's first sequence shows whether the hole is a loss. */
  #held: MsgImpl[] | undefined
  #heldBytes = 0
  /**
   * First sequence above `next` at the last look; the second such look reports the loss. 0 = none.
   */
  #passedBy = 0
  /** `next` when the reader began to await a record; -1 = none awaited. */
  #awaitedAt = -1
  /** Consecutive looks at which the stream had records and `next` had not moved. */
  #idleLooks = 0
  /** Consecutive consumers that delivered nothing. */
  #barren = 0
  /** No record exists from `next` up to this sequence: all were deleted. */
  #emptyUpTo = 0

  /** `from`: the first sequence to show. */
  constructor(tail: PartitionReaderOwner, partition: number, from = firstSequence) {
    this.#tail = tail
    this.partition = partition
    this.next = Math.max(firstSequence, from)
    this.#stream = tail.layout.stream(partition)
    this.#last = new LastRead(tail.api, this.#stream)
    this.#prefix = new KeyPrefix(tail.layout.prefix(partition))
  }

  /** Whether calls of the sink must stop: it may have closed the tail or dropped the partition. */
  get #isOver(): boolean {
    return this.dropped || this.#tail.closed
  }

  get reading(): boolean {
    return this.#consumer?.isOpen === true
  }

  /** Ends the consumer and discards held messages. */
  stop(): void {
    if (!this.#isOver) this.#noticeShown()
    this.#version++
    this.unended = false
    this.#held = undefined
    this.#inTurn = false
    this.#awaitedAt = -1
    this.#idleLooks = 0
    this.#isConsuming = false
    this.#consumer?.end()
    this.#consumer = undefined
  }

  drop(): void {
    this.dropped = true
    this.stop()
  }

  /** Prepares to read a re-created log from its first record. */
  restart(): void {
    this.stop()
    this.next = firstSequence
    this.created = ''
    this.#last.forget()
    this.#first = firstSequence
    this.#head = 0
    this.#emptyUpTo = 0
  }

  /**
   * Ends the current consumer and starts reading with a new one. Rejects if that fails; the caller
   * must then `stop`.
   */
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
      // Waiting for other readers is not a failure.
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

  /** Reports the partition as readable once an awaited record was shown. */
  #noticeShown(): void {
    if (this.#awaitedAt >= 0 && this.next > this.#awaitedAt) this.#proven()
  }

  #proven(): void {
    this.#awaitedAt = -1
    this.#idleLooks = 0
    this.#barren = 0
    this.#tail.read(this)
  }

  /** Ends the batch of records shown since the last call. */
  end(): void {
    if (this.#isOver) return
    this.unended = false
    this.#noticeShown()
    if (this.#isOver) return
    if (this.#inTurn && this.#consumer?.hasDelivered === true && this.#delivery.pending < caughtUpMessages) {
      this.#inTurn = false
      this.#tail.endTurn(this)
    }
    this.#head = Math.max(this.#head, this.#delivery.streamSequence + 1 + this.#delivery.pending)
    this.#tail.sink.end(this.partition, this.next, { first: this.#first, head: this.#head })
  }

  /** Called at each beat; returns false once the consumer has been silent for `silenceMs`. */
  isHeard(nowMs: number, silenceMs: number): boolean {
    return this.#consumer === undefined || this.#consumer.isHeard(nowMs, silenceMs)
  }

  /** Returns whether no record was shown since the last call. */
  isQuiet(): boolean {
    const { next } = this
    const isQuiet = this.#isConsuming && next === this.#nextAtQuietLook
    this.#nextAtQuietLook = next
    return isQuiet
  }

  /**
   * Asks the server for records while none arrive. A consumer can send heartbeats and still
   * deliver nothing that the stream has: it was paused, its flow control got lost, or the server
   * has a fault. Only another consumer helps then.
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
    const why = `its consumer delivers nothing, although the stream has records from ${next} on`
    this.#tail.awaits(this, why)
    this.end()
    if (isOver() || ++this.#idleLooks < patientLooks * 2 ** Math.min(this.#barren, maxDoublings)) return
    this.#barren++
    this.#tail.broken(this, why)
  }

  /** Takes the stream's facts from the tail's periodic look. */
  learned({ first, head, created }: StreamFacts): void {
    if (!this.reading || created !== this.created) return
    // Either records read before this question have left the log, or an outdated server answered.
    // Opening again finds out.
    if (head < this.#nextAtLook) {
      this.#tail.broken(this, `the stream ends at ${head}, below the last record read`)
      return
    }
    this.#nextAtLook = this.next
    this.#first = first
    this.#head = Math.max(this.#head, head)
    // Records sent before the look may still arrive, so only a second look proves a loss.
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
    // No record ever existed below `begin`.
    this.next = Math.max(this.next, begin)
    if (this.next < first) this.#lost(first)
  }

  /** Reports a rewrite from the first record on: this partition's stream alone was re-created. */
  #anotherStream(stream: StreamFacts): void {
    const first = Math.max(stream.begin, stream.first)
    const to = this.next - 1
    this.#last.forget()
    if (first <= to) {
      this.next = first
      this.#tail.sink.lost(this.partition, first, to, 'rewritten')
    }
  }

  /** Starts a consumer. Returns the number of pending messages that were not read before. */
  async #subscribe(connection: NatsConnection, { head }: StreamFacts, version: number): Promise<number> {
    const { options, api } = this.#tail
    // Starts with the record below `next`, which shows whether the log is still the one looked at.
    // Some servers treat a start beyond the end as the end.
    const start = Math.max(1, Math.min(this.#last.isBelow ? this.next - 1 : this.next, head))
    // The stream may have been replaced since the look, so messages are held until it is verified.
    this.#held = []
    this.#heldBytes = 0
    const delivery = this.#delivery
    this.#consumer = new PushConsumer(
      { api, options, connection, stream: this.#stream, delivery },
      {
        message: (message) => this.#message(message),
        isHolding: () => this.#held !== undefined,
        broken: (why) => this.#tail.broken(this, why),
      },
    )
    const pending = await this.#consumer.start(start)
    await this.#judge(version)
    return Math.max(0, pending - (start < this.next ? 1 : 0))
  }

  // The hot path

  #message(message: MsgImpl): void {
    if (this.#held !== undefined || this.#delivery.streamSequence > this.next) this.#hold(message)
    else this.#show(message)
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

  /** Compares a record below `next`, with which a consumer starts, with the one that was read. */
  #compare(): void {
    const delivery = this.#delivery
    if (this.#last.isAnother(delivery, this.next)) {
      this.#tail.broken(this, `the record at ${delivery.streamSequence} differs from the one that was read`)
    }
  }

  // Holes

  /**
   * Holds a message after missing sequences: deleted records, which are normal, or a loss. The
   * server's first sequence decides.
   */
  #hold(message: MsgImpl): void {
    if (this.#held !== undefined) this.#held.push(message)
    else {
      this.#held = [message]
      this.#heldBytes = 0
      void this.#judge(this.#version)
    }
    this.#heldBytes += message.size() + heldOverheadBytes
    if (this.#heldBytes <= this.#tail.options.maxHeldBytes || !this.reading) return
    // The next consumer continues after the held messages.
    this.#consumer?.end()
  }

  /**
   * Asks for the stream's facts until every held message is older than an answer, and shows the
   * messages.
   */
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
    if (!this.reading) return this.#tail.broken(this, '')
    this.#consumer?.releaseFlow()
  }

  /**
   * Throws if the answer is from another stream or an outdated server, so that it cannot judge the
   * held messages.
   */
  #expectOwn(stream: StreamFacts | undefined, known: number): asserts stream is StreamFacts {
    if (stream === undefined) throw new Error(`stream ${this.#stream} is gone`)
    let end = this.#last.reached ? this.next : 0
    if (known > 0) {
      this.#delivery.read(this.#held![known - 1]!._msg.reply!)
      end = this.#delivery.streamSequence + 1
    }
    if (stream.created === this.created && stream.head >= end) return
    throw new Error('the server answered for another stream, or for a time before the messages that it sent')
  }

  /** Shows the first `known` held messages, and those after them up to the next hole. */
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
