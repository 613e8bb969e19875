import { validUtf8 } from '../base/utf8.ts'
import type { HeaderSink, SourceRecord } from '../log/record.ts'
import type { RoutingTable } from '../routing/table.ts'
import { ConfluentFrame } from '../wire/confluent.ts'
import type { EnvelopeWriter } from '../wire/envelope-writer.ts'
import { beginsWithAscii } from '../wire/media-type.ts'
import { rfc3339Us } from '../wire/rfc3339.ts'
import type { StreamFormat } from '../wire/stream-format.ts'
import { type Composer, composeData } from './composer.ts'
import { sameBytes } from './header-filter.ts'
import { isContentType } from './raw-composer.ts'
import type { RejectReason } from './rejected.ts'

const structuredType = 'application/cloudevents'
const prefixLength = 3
const [dash, underscore, percent, one] = [0x2d, 0x5f, 0x25, 0x31]
const none = Buffer.alloc(0)

/** Where a record's value of one attribute is. */
class Slot {
  readonly name: Buffer
  bytes: Buffer = none
  start = 0
  end = 0

  constructor(name: string) {
    this.name = Buffer.from(name)
  }

  /** Absent and empty are one. */
  get given(): boolean {
    return this.end > this.start
  }

  set(bytes: Buffer, start: number, end: number): void {
    this.bytes = bytes
    this.start = start
    this.end = end
  }

  /** For people, cut. */
  get text(): string {
    return this.bytes.toString('utf8', this.start, Math.min(this.end, this.start + 80))
  }
}

/**
 * A CloudEvent in binary mode as an event: `id` and `type` are its fields, `time` its publication (the record's time where it has
 * none), all other attributes and extensions but `specversion` are attributes. Headers that are no CloudEvents attributes are
 * not part of the event. https://github.com/cloudevents/spec/blob/main/cloudevents/bindings/kafka-protocol-binding.md
 *
 * The subject is the record's key behind the route's prefix, since that says where the record is; where the key is but the
 * first tokens of `ce_subject`, as the route wants it, or absent, it is `ce_subject` behind the prefix. A `ce_subject` that is
 * not the subject stays the attribute `subject`.
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
  readonly #defaultType = new Slot('')
  /** What CloudEvents 1.0 requires. */
  readonly #required = [this.#id, this.#source, this.#type, this.#specversion]
  readonly #slots = [...this.#required, this.#subject, this.#time, this.#dataContentType]
  #into: EnvelopeWriter | undefined
  #ill = ''

  constructor(format: StreamFormat, prefix: string, routing: RoutingTable) {
    this.#prefix = Buffer.from(prefix)
    const contentType = Buffer.from(format.contentType)
    this.#defaultType.set(contentType, 0, contentType.length)
    this.#routing = routing
    this.#frame = format.framing === 'confluent' ? new ConfluentFrame() : undefined
  }

  compose(record: SourceRecord, into: EnvelopeWriter): RejectReason | undefined {
    for (const slot of this.#slots) slot.set(none, 0, 0)
    this.#contentType.set(none, 0, 0)
    this.#ill = ''
    this.#into = into
    record.eachHeader(this)
    if (record.valueStart < 0 && !this.#specversion.given) return this.#composeDeletion(record, into)
    this.fault = this.#faultOf()
    if (this.fault !== '') return 'bad_envelope'
    if (!this.#composeSubject(record, into)) return 'no_subject'
    into.field('id', this.#id.bytes, this.#id.start, this.#id.end)
    into.field('type', this.#type.bytes, this.#type.start, this.#type.end)
    this.#carry(this.#source, into)
    this.#composeTime(record, into)
    const type = this.#mediaType()
    return composeData(record, into, this.#frame, type.bytes, type.start, type.end)
  }

  header(bytes: Buffer, nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): void {
    if (valueStart < 0) return
    if (isContentType(bytes, nameStart, nameEnd)) {
      this.#contentType.set(bytes, valueStart, valueEnd)
      return
    }
    if (nameEnd - nameStart <= prefixLength || !beginsWithAscii(bytes, nameStart, nameEnd, 'ce')) return
    const separator = bytes[nameStart + 2]
    if (separator === dash) this.#decode(bytes, nameStart + prefixLength, nameEnd, valueStart, valueEnd)
    else if (separator === underscore) this.#take(bytes, nameStart + prefixLength, nameEnd, bytes, valueStart, valueEnd)
  }

  /** NATS and HTTP percent-encode what is not printable ASCII. */
  #decode(bytes: Buffer, nameStart: number, nameEnd: number, start: number, end: number): void {
    const at = bytes.indexOf(percent, start)
    if (at < 0 || at >= end) {
      this.#take(bytes, nameStart, nameEnd, bytes, start, end)
      return
    }
    const decoded = percentDecoded(bytes, start, end)
    this.#take(bytes, nameStart, nameEnd, decoded, 0, decoded.length)
  }

  #take(name: Buffer, nameStart: number, nameEnd: number, value: Buffer, start: number, end: number): void {
    if (!validUtf8(name, nameStart, nameEnd) || !validUtf8(value, start, end)) {
      this.#ill = name.toString('utf8', nameStart, nameEnd)
      return
    }
    for (const slot of this.#slots) {
      if (!sameBytes(slot.name, name, nameStart, nameEnd)) continue
      slot.set(value, start, end)
      return
    }
    this.#into!.attribute(name, nameStart, nameEnd, value, start, end)
  }

  #faultOf(): string {
    const { bytes, start, end } = this.#contentType
    if (beginsWithAscii(bytes, start, end, structuredType)) {
      const said = `it is a CloudEvent in structured mode (content-type ${this.#contentType.text})`
      return `${said}, only binary mode can be read: set the producer's encoding to binary, so that the attributes are headers`
    }
    if (this.#ill !== '') return `its CloudEvents attribute ${this.#ill} is not UTF-8`
    for (const { given, name } of this.#required) {
      if (given) continue
      const all = this.#required.map((slot) => `ce_${slot.name}`).join(', ')
      return `it is no CloudEvent in binary mode: it has no header ce_${name}, and needs ${all}`
    }
    if (this.#specversion.bytes[this.#specversion.start] === one) return ''
    return `expected CloudEvents 1.x, its specversion is ${this.#specversion.text}`
  }

  /** Without any CloudEvents attributes: what deletes a key in a compacted topic. */
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
    const { given, bytes, start, end } = this.#subject
    if (given && !equal(bytes, start, end, buffer, keyStart, keyEnd)) {
      const before = into.length
      const at = into.subject(this.#prefix, bytes, start, end)
      if (keyStart < 0 || this.#isKeyOf(record, into, at)) return true
      into.truncate(before)
      this.#carry(this.#subject, into)
    }
    if (keyStart >= 0) into.subject(this.#prefix, buffer, keyStart, keyEnd)
    return keyStart >= 0
  }

  /** Whether the record's key is the one that the route asks for the subject that was written from `at` on. */
  #isKeyOf(record: SourceRecord, into: EnvelopeWriter, at: number): boolean {
    if (into.tooLarge) return false
    const end = this.#routing.keyEnd(into.bytes, at, into.length)
    return equal(into.bytes, at + this.#prefix.length, end, record.buffer, record.keyStart, record.keyEnd)
  }

  #carry({ name, bytes, start, end }: Slot, into: EnvelopeWriter): void {
    into.attribute(name, 0, name.length, bytes, start, end)
  }

  /** A time that is none of RFC 3339 is carried as it is. */
  #composeTime(record: SourceRecord, into: EnvelopeWriter): void {
    const { given, bytes, start, end } = this.#time
    const us = given ? rfc3339Us(bytes, start, end) : -1
    into.publishedAt(us >= 0 ? us : record.timeMs * 1000)
    if (us < 0 && given) this.#carry(this.#time, into)
  }

  /** Kafka's binding has it in `content-type`, NATS's in `ce-datacontenttype`. */
  #mediaType(): Slot {
    const { given, bytes, start, end } = this.#contentType
    if (given && validUtf8(bytes, start, end)) return this.#contentType
    return this.#dataContentType.given ? this.#dataContentType : this.#defaultType
  }
}

function equal(a: Buffer, aStart: number, aEnd: number, b: Buffer, bStart: number, bEnd: number): boolean {
  if (aEnd - aStart !== bEnd - bStart) return false
  for (let i = 0; i < aEnd - aStart; i++) if (a[aStart + i] !== b[bStart + i]) return false
  return true
}

/** A `%` without two hexadecimal digits behind it stays as it is. */
function percentDecoded(bytes: Buffer, start: number, end: number): Buffer {
  const text = bytes.toString('latin1', start, end)
  const decoded = text.replace(/%([0-9a-f]{2})/gi, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)))
  return Buffer.from(decoded, 'latin1')
}
