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

/** Which partition of which log: a PartitionFeed is one. */
export interface PartitionRef extends Log {
  readonly stream: string
  readonly partition: number
}

/**
 * One record on its way to the sockets; a stream reuses one object for all of its records. Token and frames are made when
 * the first session asks, once for all sessions of that encoding. Valid during `Hub.publish` (or one catch-up write) only.
 */
export class OutgoingRecord implements DeliveryParts {
  /** Counts records, over all partitions of the gateway's streams that share this object: the hub's stamp. */
  sequence = 0
  stream = ''
  partition = 0
  offset = 0
  /** Leader epoch of the record: the generation of the position after it, which may be unknown. */
  generation = unknownGeneration
  nameHash = 0
  incarnationHash = 0
  hash = 0
  buffer: Buffer = Buffer.alloc(0)
  eventStart = 0
  eventEnd = 0
  subjectStart = 0
  subjectEnd = 0
  /** Publisher's clock, Unix µs; the record's own time where the publisher gave none. */
  publishedAtUs = 0
  /** When this gateway read it, Unix µs; of live records only. */
  readAtUs = 0
  /** Notes the deliveries of a sampled event while it is fanned out; undefined for all others. */
  trace: EventTrace | undefined = undefined
  /** Whom a side reader's delivery is for; undefined = every live subscription that matches. */
  refs: readonly number[] | undefined = undefined
  #after = ''
  #subject = ''
  readonly #frames: (Uint8Array | undefined)[] = [undefined, undefined, undefined]

  /** To be called once the fields above are those of the next record. */
  begin(): void {
    this.sequence++
    this.#after = ''
    this.#subject = ''
    const frames = this.#frames
    frames[0] = undefined
    frames[1] = undefined
    frames[2] = undefined
  }

  /** A record that was just read. */
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

  /** A record of a window, or of a stretch that was read back; `refs`: whom it is for. */
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

  /** The event's bytes are those of `buffer`: the name under which the encoder asks for them. */
  get event(): Buffer {
    return this.buffer
  }

  get subject(): string {
    if (this.#subject === '') this.#subject = this.buffer.toString('utf8', this.subjectStart, this.subjectEnd)
    return this.#subject
  }

  /** Scanned when asked: only traces want it. */
  get eventId(): string {
    scanEnvelope(this.buffer, this.eventStart, this.eventEnd, envelope)
    const start = this.eventStart + envelope.idAt
    return this.buffer.toString('utf8', start, start + envelope.idLength)
  }

  /** The token of the position after this record. */
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
