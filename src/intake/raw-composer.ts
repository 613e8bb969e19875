import { absent } from '../base/absent.ts'
import { isAscii } from '../base/ascii.ts'
import { ByteRange } from '../base/byte-range.ts'
import type { RejectReason } from '../base/reject-reasons.ts'
import { validUtf8 } from '../base/utf8.ts'
import type { HeaderSink, SourceRecord } from '../log/record.ts'
import type { SubjectTemplate } from '../routing/template.ts'
import { ConfluentFrame } from '../wire/confluent.ts'
import type { EnvelopeWriter } from '../wire/envelope-writer.ts'
import type { StreamFormat } from '../wire/stream-format.ts'
import { type Composer, composeData, contentStartOf } from './composer.ts'
import { HeaderFilter } from './header-filter.ts'
import { SubjectComposer } from './subject-composer.ts'

/** Returns whether the header is `content-type`, in any case. */
export function isContentType({ bytes, start, end }: ByteRange): boolean {
  return isAscii(bytes, start, end, 'content-type')
}

/**
 * Composes an event from a record with any value. Subject: the route's prefix and the key, or as
 * composed by the route's template. Data: the value. Time of publication: the record's time.
 * Attributes: the headers that are valid UTF-8 and not null. Content type: the header
 * `content-type`, or else the stream's.
 */
export class RawComposer implements Composer, HeaderSink {
  fault = ''
  readonly #prefix: Buffer
  readonly #subject: SubjectComposer | undefined
  readonly #contentType: ByteRange
  readonly #filter: HeaderFilter
  readonly #frame: ConfluentFrame | undefined
  #into: EnvelopeWriter | undefined
  readonly #type = new ByteRange()

  /**
   * `template` composes subjects of records whose keys are not subjects; undefined = keys are
   * subjects.
   */
  constructor(format: StreamFormat, prefix: string, template: SubjectTemplate | undefined) {
    this.#prefix = Buffer.from(prefix)
    this.#subject = template && new SubjectComposer(template, format.maxJsonBytes)
    this.#contentType = ByteRange.of(format.contentType)
    this.#filter = new HeaderFilter(format.headers)
    this.#frame = format.framing === 'confluent' ? new ConfluentFrame() : undefined
  }

  compose(record: SourceRecord, into: EnvelopeWriter): RejectReason | undefined {
    if (this.#subject !== undefined) this.#subject.begin()
    else if (record.keyStart < 0) return 'no_subject'
    else into.subject(this.#prefix, record.buffer, record.keyStart, record.keyEnd)
    this.#into = into
    this.#type.setTo(this.#contentType)
    record.eachHeader(this)
    const reason = this.#subject && this.#composeSubject(record, into, this.#subject)
    if (reason !== undefined) return reason
    into.publishedAt(record.timeMs * 1000)
    return composeData(record, into, this.#frame, this.#type)
  }

  #composeSubject(record: SourceRecord, into: EnvelopeWriter, by: SubjectComposer): RejectReason | undefined {
    const { buffer, valueStart, valueEnd } = record
    const start = valueStart < 0 ? absent : contentStartOf(record, this.#frame, this.#type)
    if (valueStart >= 0 && start === absent) return 'bad_framing'
    const subject = by.compose(buffer, start, valueEnd)
    this.fault = by.fault
    if (subject === undefined) return 'bad_subject'
    const bytes = Buffer.from(subject)
    into.subject(this.#prefix, bytes, 0, bytes.length)
    return undefined
  }

  header(name: ByteRange, value: ByteRange): void {
    this.#subject?.header(name, value)
    if (value.start < 0 || !validUtf8(value.bytes, value.start, value.end)) return
    if (isContentType(name)) {
      if (value.length > 0) this.#type.setTo(value)
    } else if (this.#filter.takes(name) && validUtf8(name.bytes, name.start, name.end)) {
      this.#into!.attribute(name, value)
    }
  }
}
