import { unknownGeneration } from '../base/generation.ts'
import type { Entry } from '../intake/entries.ts'
import type { StoredEntry } from '../log/entry.ts'
import type { EventTrace } from '../telemetry/stream-traces.ts'
import { type DeliveryParts, encodeDelivery } from '../wire/delivery.ts'
import { envelopeView, scanEnvelope } from '../wire/envelope.ts'
import { type Encoding, publishedAt } from '../wire/frames.ts'
import { encodePosition, type Log } from '../wire/token.ts'

const envelope = envelopeView()
const encodings = { json: 0, proto: 1, sse: 2 } as const

/** Identifies a partition of a log; a PartitionFeed is one. */
export interface PartitionRef extends Log {
  readonly stream: string
  readonly partition: number
}

/**
 * One record on its way to the sockets; a stream reuses one object for all its records. The token
 * and the frames are encoded on first demand, once for all sessions with that encoding. Valid
 * only during `Hub.publish`, or one write of a catch-up.
 */
export class OutgoingRecord implements DeliveryParts {
  /** Counts the records of all partitions that share this object. It is the hub's stamp. */
  sequence = 0
  stream = ''
  partition = 0
  offset = 0
  /** The record's generation, which is that of the position after it; may be unknown. */
  generation = unknownGeneration
  nameHash = 0
  incarnationHash = 0
  hash = 0
  buffer: Buffer = Buffer.alloc(0)
  eventStart = 0
  eventEnd = 0
  subjectStart = 0
  subjectEnd = 0
  /** Publisher's clock, Unix µs, or the record's time if the publisher set none. */
  publishedAtUs = 0
  /** Time at which this gateway read the record, Unix µs; live records only. */
  readAtUs = 0
  /** Notes the deliveries of a sampled event during fan-out; undefined for other events. */
  trace: EventTrace | undefined = undefined
  /**
   * Subscriptions that a side reader delivers to; undefined = every matching live subscription.
   */
  refs: readonly number[] | undefined = undefined
  #after = ''
  #subject = ''
  readonly #frames: (Uint8Array | undefined)[] = [undefined, undefined, undefined]

  /** Starts the next record, whose fields have been set above. */
  begin(): void {
    this.sequence++
    this.#after = ''
    this.#subject = ''
    const frames = this.#frames
    frames[0] = undefined
    frames[1] = undefined
    frames[2] = undefined
  }

  /** Sets the fields to a record that was just read. */
  describe(feed: PartitionRef, entry: Entry): void {
    this.partition = feed.partition
    this.offset = entry.offset
    this.generation = entry.generation
    this.nameHash = feed.nameHash
    this.incarnationHash = feed.incarnationHash
    this.hash = entry.hash
    this.buffer = entry.buffer
    this.eventStart = entry.eventStart
    this.eventEnd = entry.eventEnd
    this.subjectStart = entry.eventStart + entry.subjectAt
    this.subjectEnd = this.subjectStart + entry.subjectLength
    this.publishedAtUs = entry.publishedAtUs
    this.begin()
  }

  /** Sets the fields to a record of a window or of a chunk, for the subscriptions `refs`. */
  describeMissed(feed: PartitionRef, record: StoredEntry, refs: readonly number[] | undefined): void {
    this.stream = feed.stream
    this.partition = feed.partition
    this.offset = record.offset
    this.generation = record.generation
    this.nameHash = feed.nameHash
    this.incarnationHash = feed.incarnationHash
    this.buffer = record.buffer
    this.eventStart = record.eventStart
    this.eventEnd = record.eventEnd
    this.subjectStart = record.subjectStart
    this.subjectEnd = record.subjectEnd
    scanEnvelope(record.buffer, record.eventStart, record.eventEnd, envelope)
    this.publishedAtUs = publishedAt(envelope, record.timeMs * 1000)
    this.refs = refs
    this.begin()
  }

  /** The buffer of the event's bytes, under the encoder's name for it. */
  get event(): Buffer {
    return this.buffer
  }

  get subject(): string {
    if (this.#subject === '') this.#subject = this.buffer.toString('utf8', this.subjectStart, this.subjectEnd)
    return this.#subject
  }

  /** Scans the event on demand, because only traces need its id. */
  get eventId(): string {
    scanEnvelope(this.buffer, this.eventStart, this.eventEnd, envelope)
    const start = this.eventStart + envelope.idAt
    return this.buffer.toString('utf8', start, start + envelope.idLength)
  }

  /** Returns the token of the position after this record. */
  get after(): string {
    if (this.#after === '') {
      this.#after = encodePosition({
        nameHash: this.nameHash,
        incarnationHash: this.incarnationHash,
        partition: this.partition,
        offset: this.offset + 1,
        generation: this.generation,
      })
    }
    return this.#after
  }

  frame(encoding: Encoding): Uint8Array {
    const slot = encodings[encoding]
    let frame = this.#frames[slot]
    if (frame === undefined) {
      frame = encodeDelivery(encoding, this)
      this.#frames[slot] = frame
    }
    return frame
  }
}
