import { seededHash } from '../base/hash.ts'
import type { SourceRecord } from '../log/record.ts'
import type { Appended } from '../log/window.ts'
import type { RoutingTable } from '../routing/table.ts'
import { validSubjectBytes } from '../subject/subject.ts'
import { deletedEvent, type EnvelopeView, envelopeView, scanEnvelope } from '../wire/envelope.ts'
import type { RejectReason } from './rejected.ts'

/**
 * Turns a source's record into a window's entry, or says why it can't be used. The same intake serves the tail and
 * read-back, so both give the same content. One object is reused; nothing of the payload is decoded.
 */
export class Intake {
  /** The envelope of the record last accepted; offsets count from `appended.eventStart`. */
  readonly envelope: EnvelopeView = envelopeView()
  readonly appended: Appended = {
    buffer: Buffer.alloc(0),
    eventStart: 0,
    eventEnd: 0,
    subjectAt: 0,
    subjectLength: 0,
    traceBuffer: Buffer.alloc(0),
    traceStart: -1,
    traceEnd: -1,
    offset: 0,
    timeMs: 0,
    epoch: -1,
    hash: 0,
  }
  readonly #stream: string
  readonly #routing: RoutingTable
  readonly #seed: number
  readonly #maxEventBytes: number

  constructor(stream: string, routing: RoutingTable, seed: number, maxEventBytes: number) {
    this.#stream = stream
    this.#routing = routing
    this.#seed = seed
    this.#maxEventBytes = maxEventBytes
  }

  /** undefined = accepted: `appended` and `envelope` describe it until the next call. */
  accept(record: SourceRecord, partitions: number): RejectReason | undefined {
    const { appended } = this
    const reason = record.valueStart < 0 ? this.#takeDeletion(record) : this.#takeValue(record)
    if (reason !== undefined) return reason
    const start = appended.eventStart + appended.subjectAt
    const end = start + appended.subjectLength
    const check = this.#routing.check(this.#stream, record.partition, appended.buffer, start, end, partitions)
    if (check !== 'ok') return check
    appended.hash = seededHash(appended.buffer, start, end, this.#seed)
    appended.traceBuffer = record.buffer
    appended.traceStart = record.traceStart
    appended.traceEnd = record.traceEnd
    appended.offset = record.offset
    appended.timeMs = record.timeMs
    appended.epoch = record.epoch
    return undefined
  }

  #takeValue(record: SourceRecord): RejectReason | undefined {
    if (record.valueEnd - record.valueStart > this.#maxEventBytes) return 'too_large'
    if (!scanEnvelope(record.buffer, record.valueStart, record.valueEnd, this.envelope)) return 'bad_envelope'
    this.#point(record.buffer, record.valueStart, record.valueEnd)
    return undefined
  }

  /** A null value deletes the subject that is the record's key. */
  #takeDeletion(record: SourceRecord): RejectReason | undefined {
    if (record.keyStart < 0 || !validSubjectBytes(record.buffer, record.keyStart, record.keyEnd)) return 'no_subject'
    const event = Buffer.from(deletedEvent(record.buffer.toString('utf8', record.keyStart, record.keyEnd)))
    scanEnvelope(event, 0, event.length, this.envelope)
    this.#point(event, 0, event.length)
    return undefined
  }

  /** The envelope that was scanned last is the event at [start, end). */
  #point(buffer: Buffer, start: number, end: number): void {
    const { appended, envelope } = this
    appended.buffer = buffer
    appended.eventStart = start
    appended.eventEnd = end
    appended.subjectAt = envelope.subjectAt
    appended.subjectLength = envelope.subjectLength
  }
}
