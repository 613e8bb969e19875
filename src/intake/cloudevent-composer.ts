import { absent } from '../base/absent.ts'
import { beginsWithAscii, copyLowered } from '../base/ascii.ts'
import { ByteRange } from '../base/byte-range.ts'
import { CarillonError } from '../base/errors.ts'
import type { RejectReason } from '../base/reject-reasons.ts'
import { validUtf8 } from '../base/utf8.ts'
import type { HeaderSink, SourceRecord } from '../log/record.ts'
import type { RoutingTable } from '../routing/table.ts'
import { type CloudEvent, structuredType } from '../wire/cloudevent.ts'
import { readCloudEvent } from '../wire/cloudevent-json.ts'
import { ConfluentFrame } from '../wire/confluent.ts'
import type { EnvelopeWriter } from '../wire/envelope-writer.ts'
import { percentDecoded } from '../wire/percent.ts'
import { noTime, rfc3339Us } from '../wire/rfc3339.ts'
import type { StreamFormat } from '../wire/stream-format.ts'
import { type Composer, composeData, contentStartOf, writeSchema } from './composer.ts'
import { isTraceHeader } from './header-filter.ts'
import { isContentType } from './raw-composer.ts'

const jsonType = `${structuredType}+json`
const prefixLength = 3
const [dash, underscore, percent, one, semicolon, space] = [0x2d, 0x5f, 0x25, 0x31, 0x3b, 0x20]
const none = new ByteRange()

/** A record's value of one attribute. */
class Slot {
  readonly name: ByteRange
  readonly value = new ByteRange()

  constructor(name: string) {
    this.name = ByteRange.of(name)
  }

  /** Treats absent and empty alike. */
  get given(): boolean {
    return this.value.length > 0
  }

  /** For messages, cut to 80 bytes. */
  get text(): string {
    const { bytes, start, end } = this.value
    return bytes.toString('utf8', start, Math.min(end, start + 80))
  }
}

/**
 * Composes an event from a CloudEvent in binary mode, or in structured mode in JSON if the
 * content type says so. `id` and `type` become the event's fields. `time` becomes the time of
 * publication; without it, the record's time is used. Other attributes and extensions become
 * attributes, except `specversion` and trace context. Headers that are not CloudEvents attributes
 * are dropped.
 * https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/kafka-protocol-binding.md
 *
 * The subject is the route's prefix and the record's key, because the key determines the
 * partition. It is the prefix and `ce_subject` instead if the record has no key, or if the key is
 * just the tokens of `ce_subject` that the route uses as its key. A `ce_subject` that is not the
 * subject becomes the attribute `subject`.
 */
export class CloudEventComposer implements Composer, HeaderSink {
  fault = ''
  readonly #prefix: Buffer
  readonly #routing: RoutingTable
  readonly #frame: ConfluentFrame | undefined
  readonly #id = new Slot('id')
  readonly #type = new Slot('type')
  readonly #source = new Slot('source')
  readonly #specversion = new Slot('specversion')
  readonly #subject = new Slot('subject')
  readonly #time = new Slot('time')
  readonly #dataContentType = new Slot('datacontenttype')
  readonly #contentType = new Slot('content-type')
  readonly #defaultType: ByteRange
  /** The attributes that CloudEvents 1.0 requires. */
  readonly #required = [this.#id, this.#source, this.#type, this.#specversion]
  readonly #traceparent = new Slot('traceparent')
  readonly #slots = [...this.#required, this.#subject, this.#time, this.#dataContentType, this.#traceparent]
  /** The record's key, the key that the route requires, and the name of the current attribute. */
  readonly #key = new ByteRange()
  readonly #requiredKey = new ByteRange()
  readonly #name = new ByteRange()
  #lowered = Buffer.alloc(64)
  #into: EnvelopeWriter | undefined
  #ill = ''
  /** Error in the value of a record in structured mode. */
  #unreadable = ''

  constructor(format: StreamFormat, prefix: string, routing: RoutingTable) {
    this.#prefix = Buffer.from(prefix)
    this.#defaultType = ByteRange.of(format.contentType)
    this.#routing = routing
    this.#frame = format.framing === 'confluent' ? new ConfluentFrame() : undefined
  }

  /** The attribute of the distributed tracing extension. */
  get trace(): ByteRange {
    return this.#traceparent.value
  }

  compose(record: SourceRecord, into: EnvelopeWriter): RejectReason | undefined {
    this.#forget()
    this.#contentType.value.setTo(none)
    this.#unreadable = ''
    this.#into = into
    record.eachHeader(this)
    if (record.valueStart < 0 && !this.#specversion.given) return this.#composeDeletion(record, into)
    if (record.valueStart >= 0 && this.#isStructured()) return this.#composeStructured(record, into)
    return this.#composeEnvelope(record, into) ?? composeData(record, into, this.#frame, this.#mediaType())
  }

  /** Clears the attributes of the previous record. */
  #forget(): void {
    for (const { value } of this.#slots) value.setTo(none)
    this.#ill = ''
  }

  #composeEnvelope(record: SourceRecord, into: EnvelopeWriter): RejectReason | undefined {
    this.fault = this.#faultOf()
    if (this.fault !== '') return 'bad_envelope'
    if (!this.#composeSubject(record, into)) return 'no_subject'
    const id = this.#id.value
    const type = this.#type.value
    into.field('id', id.bytes, id.start, id.end)
    into.field('type', type.bytes, type.start, type.end)
    this.#carry(this.#source, into)
    this.#composeTime(record, into)
    return undefined
  }

  #isStructured(): boolean {
    const { bytes, start, end } = this.#contentType.value
    if (!beginsWithAscii(bytes, start, end, jsonType)) return false
    const after = start + jsonType.length
    return after === end || bytes[after] === semicolon || bytes[after] === space
  }

  /**
   * Composes from the value, which holds attributes and data. Attributes repeated in headers have
   * the same values there. Decodes and parses the value, and keeps nothing of it.
   */
  #composeStructured(record: SourceRecord, into: EnvelopeWriter): RejectReason | undefined {
    const { buffer, valueEnd } = record
    const start = contentStartOf(record, this.#frame, this.#contentType.value)
    if (start === absent) return 'bad_framing'
    into.begin()
    this.#forget()
    const read = this.#read(buffer, start, valueEnd)
    for (const [name, value] of read?.attributes ?? []) this.#take(ByteRange.of(name), ByteRange.of(value))
    const reason = this.#composeEnvelope(record, into)
    if (reason !== undefined) return reason
    if (this.#frame !== undefined) writeSchema(into, this.#frame)
    const type = ByteRange.of(read!.contentType)
    into.field('contentType', type.bytes, type.start, type.end)
    const data = Buffer.from(read!.data)
    into.field('data', data, 0, data.length)
    return undefined
  }

  #read(buffer: Buffer, start: number, end: number): CloudEvent | undefined {
    try {
      if (!validUtf8(buffer, start, end)) throw new CarillonError('bad_event', 'it is not UTF-8')
      const text = buffer.toString('utf8', start, end)
      return readCloudEvent(JSON.parse(text), text)
    } catch (error) {
      this.#unreadable = error instanceof CarillonError ? error.message : 'it is not JSON'
      return undefined
    }
  }

  header(name: ByteRange, value: ByteRange): void {
    if (value.start < 0) return
    if (isContentType(name)) {
      this.#contentType.value.setTo(value)
      return
    }
    const { bytes, start, end } = name
    if (name.length <= prefixLength || !beginsWithAscii(bytes, start, end, 'ce')) return
    const separator = bytes[start + 2]
    if (separator !== dash && separator !== underscore) return
    this.#take(this.#nameIn(bytes, start + prefixLength, end), separator === dash ? this.#decoded(value) : value)
  }

  /**
   * Lower-cases a name: attribute names consist of lowercase letters and digits, but headers may
   * use capitals.
   */
  #nameIn(bytes: Buffer, start: number, end: number): ByteRange {
    const length = end - start
    if (length > this.#lowered.length) this.#lowered = Buffer.alloc(2 * length)
    copyLowered(bytes, start, end, this.#lowered)
    return this.#name.set(this.#lowered, 0, length)
  }

  /** Decodes a value: NATS and HTTP percent-encode characters other than printable ASCII. */
  #decoded(value: ByteRange): ByteRange {
    const { bytes, start, end } = value
    const at = bytes.indexOf(percent, start)
    if (at < 0 || at >= end) return value
    const decoded = percentDecoded(bytes.subarray(start, end))
    return new ByteRange().set(decoded, 0, decoded.length)
  }

  #take(name: ByteRange, value: ByteRange): void {
    if (!validUtf8(name.bytes, name.start, name.end) || !validUtf8(value.bytes, value.start, value.end)) {
      this.#ill = name.toString()
      return
    }
    for (const slot of this.#slots) {
      if (!slot.name.equals(name)) continue
      slot.value.setTo(value)
      return
    }
    if (!isTraceHeader(name)) this.#into!.attribute(name, value)
  }

  #faultOf(): string {
    if (this.#unreadable !== '')
      return `it is a CloudEvent in structured mode, and its value can't be used: ${this.#unreadable}`
    const { bytes, start, end } = this.#contentType.value
    if (beginsWithAscii(bytes, start, end, structuredType) && !this.#isStructured()) {
      const cause = `its content-type is ${this.#contentType.text}, but in structured mode only single CloudEvents in JSON are supported`
      return `${cause}: let its producer use ${jsonType}, or binary mode, with attributes as headers`
    }
    if (this.#ill !== '') return `its CloudEvents attribute ${this.#ill} is not UTF-8`
    for (const { given, name } of this.#required) {
      if (given) continue
      const all = this.#required.map((slot) => `ce_${slot.name}`).join(', ')
      return `it is not a CloudEvent in binary mode: it has no header ce_${name}, but needs ${all}`
    }
    const version = this.#specversion.value
    if (version.bytes[version.start] === one) return ''
    return `expected CloudEvents 1.x, its specversion is ${this.#specversion.text}`
  }

  /**
   * Composes a deletion from a null value without CloudEvents attributes, as it deletes a key of a
   * compacted topic.
   */
  #composeDeletion(record: SourceRecord, into: EnvelopeWriter): RejectReason | undefined {
    if (record.keyStart < 0) return 'no_subject'
    into.begin()
    into.subject(this.#prefix, record.buffer, record.keyStart, record.keyEnd)
    into.publishedAt(record.timeMs * 1000)
    into.deleted()
    return undefined
  }

  #composeSubject(record: SourceRecord, into: EnvelopeWriter): boolean {
    const { buffer, keyStart, keyEnd } = record
    const { given, value } = this.#subject
    this.#key.set(buffer, keyStart, keyEnd)
    if (given && !value.equals(this.#key)) {
      const before = into.length
      const at = into.subject(this.#prefix, value.bytes, value.start, value.end)
      if (keyStart < 0 || this.#isKeyOf(into, at)) return true
      into.truncate(before)
      this.#carry(this.#subject, into)
    }
    if (keyStart >= 0) into.subject(this.#prefix, buffer, keyStart, keyEnd)
    return keyStart >= 0
  }

  /**
   * Returns whether the record's key is the one that the route requires for the subject written
   * at `at`.
   */
  #isKeyOf(into: EnvelopeWriter, at: number): boolean {
    if (into.tooLarge) return false
    const end = this.#routing.keyEnd(into.bytes, at, into.length)
    return this.#requiredKey.set(into.bytes, at + this.#prefix.length, end).equals(this.#key)
  }

  #carry({ name, value }: Slot, into: EnvelopeWriter): void {
    into.attribute(name, value)
  }

  /** Keeps a time that is not RFC 3339 as an attribute. */
  #composeTime(record: SourceRecord, into: EnvelopeWriter): void {
    const { given, value } = this.#time
    const us = given ? rfc3339Us(value.bytes, value.start, value.end) : noTime
    into.publishedAt(us !== noTime ? us : record.timeMs * 1000)
    if (us === noTime && given) this.#carry(this.#time, into)
  }

  /**
   * Returns the data's content type: in `content-type` by Kafka's binding, in
   * `ce-datacontenttype` by NATS's.
   */
  #mediaType(): ByteRange {
    const { given, value } = this.#contentType
    if (given && validUtf8(value.bytes, value.start, value.end)) return value
    return this.#dataContentType.given ? this.#dataContentType.value : this.#defaultType
  }
}
