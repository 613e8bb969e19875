import { absent } from '../base/absent.ts'
import { unknownGeneration } from '../base/generation.ts'
import { seededHash } from '../base/hash.ts'
import type { RejectReason } from '../base/reject-reasons.ts'
import type { SourceRecord } from '../log/record.ts'
import type { Misrouted } from '../routing/diagnosis.ts'
import type { RoutingTable } from '../routing/table.ts'
import { ConfluentFrame } from '../wire/confluent.ts'
import { type EnvelopeView, envelopeView, scanEnvelope } from '../wire/envelope.ts'
import { EnvelopeWriter } from '../wire/envelope-writer.ts'
import { publishedAt } from '../wire/frames.ts'
import type { StreamFormat } from '../wire/stream-format.ts'
import { CloudEventComposer } from './cloudevent-composer.ts'
import type { Composer } from './composer.ts'
import type { Entry } from './entries.ts'
import { RawComposer } from './raw-composer.ts'
import { rejectCause } from './reject-cause.ts'

export interface IntakeOptions {
  /** The stream's name in routes. */
  readonly stream: string
  readonly format: StreamFormat
  readonly routing: RoutingTable
  /** Seed of the subject hash. */
  readonly seed: number
  readonly maxEventBytes: number
}

/**
 * Turns a source's record into a window's entry, or returns why it can't be used. The tail and
 * read-back share one intake, so both deliver the same content. One object is reused, and the
 * payload is not decoded. Where values are not events, a composer writes an envelope into a
 * buffer that the next record overwrites.
 */
export class Intake {
  /** Envelope of the last accepted record. Its places count from `entry.eventStart`. */
  readonly envelope: EnvelopeView = envelopeView()
  readonly entry: Entry = {
    buffer: Buffer.alloc(0),
    eventStart: 0,
    eventEnd: 0,
    subjectAt: 0,
    subjectLength: 0,
    traceBuffer: Buffer.alloc(0),
    traceStart: absent,
    traceEnd: absent,
    offset: 0,
    timeMs: 0,
    generation: unknownGeneration,
    hash: 0,
    publishedAtUs: 0,
  }
  /** The record's location, to check against its subject's route. */
  readonly #place: { readonly stream: string; partition: number; count: number }
  readonly #routing: RoutingTable
  readonly #misrouted: Misrouted
  readonly #seed: number
  readonly #maxEventBytes: number
  readonly #format: StreamFormat
  /** The route's prefix of record keys. */
  readonly #prefix: Buffer
  readonly #writer: EnvelopeWriter
  /** undefined for the format `event`. */
  readonly #composer: Composer | undefined
  readonly #frame: ConfluentFrame | undefined

  constructor({ stream, format, routing, seed, maxEventBytes }: IntakeOptions) {
    this.#place = { stream, partition: 0, count: 0 }
    this.#format = format
    this.#routing = routing
    this.#misrouted = routing.misroutedOf(stream)
    this.#seed = seed
    this.#maxEventBytes = maxEventBytes
    const prefix = routing.prefixOf(stream)
    this.#prefix = Buffer.from(prefix)
    this.#writer = new EnvelopeWriter(maxEventBytes)
    this.#composer = composerOf(stream, format, routing)
    this.#frame = format.framing === 'confluent' ? new ConfluentFrame() : undefined
  }

  /**
   * Accepts a record: undefined = success, and `entry` and `envelope` describe it until the next
   * call.
   */
  accept(record: SourceRecord, partitions: number): RejectReason | undefined {
    const { entry } = this
    if (record.foreign !== undefined) return 'foreign_subject'
    const reason = this.#composer === undefined ? this.#takeEvent(record) : this.#take(record, this.#composer)
    if (reason !== undefined) return reason
    const start = entry.eventStart + entry.subjectAt
    const end = start + entry.subjectLength
    this.#place.partition = record.partition
    this.#place.count = partitions
    const check = this.#routing.check(this.#place, entry.buffer, start, end)
    if (check !== 'ok') return check
    entry.hash = seededHash(entry.buffer, start, end, this.#seed)
    this.#traceOf(record)
    entry.offset = record.offset
    entry.timeMs = record.timeMs
    entry.generation = record.generation
    entry.publishedAtUs = publishedAt(this.envelope, record.timeMs * 1000)
    return undefined
  }

  /** Returns the cause of the last refusal, and what to do, as text for people. */
  cause(record: SourceRecord, reason: RejectReason, partitions: number): string {
    const fault = this.#composer?.fault || this.envelope.fault
    const prefix = this.#prefix.toString()
    const of = {
      stream: this.#place.stream,
      format: this.#format,
      prefix,
      misrouted: this.#misrouted,
      partitions,
      fault,
    }
    return rejectCause(reason, record, of)
  }

  #traceOf({ buffer, traceStart, traceEnd }: SourceRecord): void {
    const { entry } = this
    const composed = this.#composer?.trace
    const isComposed = traceStart === absent && composed !== undefined && composed.length > 0
    entry.traceBuffer = isComposed ? composed.bytes : buffer
    entry.traceStart = isComposed ? composed.start : traceStart
    entry.traceEnd = isComposed ? composed.end : traceEnd
  }

  #takeEvent(record: SourceRecord): RejectReason | undefined {
    if (record.valueStart < 0) return this.#takeDeletion(record)
    let start = record.valueStart
    if (record.valueEnd - start > this.#maxEventBytes) return 'too_large'
    if (this.#frame !== undefined) {
      if (!this.#frame.readProtobuf(record.buffer, start, record.valueEnd)) return 'bad_framing'
      start = this.#frame.contentStart
    }
    if (!scanEnvelope(record.buffer, start, record.valueEnd, this.envelope)) return 'bad_envelope'
    this.#point(record.buffer, start, record.valueEnd)
    return undefined
  }

  /** Takes a null value, which deletes the subject of the record's key. */
  #takeDeletion(record: SourceRecord): RejectReason | undefined {
    if (record.keyStart < 0) return 'no_subject'
    const writer = this.#writer
    writer.begin()
    writer.subject(this.#prefix, record.buffer, record.keyStart, record.keyEnd)
    writer.deleted()
    return this.#takeWritten(writer)
  }

  #take(record: SourceRecord, composer: Composer): RejectReason | undefined {
    const writer = this.#writer
    writer.begin()
    return composer.compose(record, writer) ?? this.#takeWritten(writer)
  }

  /** Takes a composed envelope, in which only the subject can be invalid. */
  #takeWritten(writer: EnvelopeWriter): RejectReason | undefined {
    if (writer.tooLarge) return 'too_large'
    if (!scanEnvelope(writer.bytes, 0, writer.length, this.envelope)) return 'no_subject'
    this.#point(writer.bytes, 0, writer.length)
    return undefined
  }

  /** Sets the entry to the envelope scanned last, at [start, end). */
  #point(buffer: Buffer, start: number, end: number): void {
    const { entry, envelope } = this
    entry.buffer = buffer
    entry.eventStart = start
    entry.eventEnd = end
    entry.subjectAt = envelope.subjectAt
    entry.subjectLength = envelope.subjectLength
  }
}

function composerOf(stream: string, format: StreamFormat, routing: RoutingTable): Composer | undefined {
  const prefix = routing.prefixOf(stream)
  switch (format.format) {
    case 'event':
      return undefined
    case 'raw':
      return new RawComposer(format, prefix, routing.templateOf(stream))
    case 'cloudevents':
      return new CloudEventComposer(format, prefix, routing)
  }
}
