import { isAscii } from '../base/ascii.ts'
import { ByteRange } from '../base/byte-range.ts'
import { validUtf8 } from '../base/utf8.ts'
import type { HeaderSink, SourceRecord } from '../log/record.ts'
import { ConfluentFrame } from '../wire/confluent.ts'
import type { EnvelopeWriter } from '../wire/envelope-writer.ts'
import type { StreamFormat } from '../wire/stream-format.ts'
import { type Composer, composeData } from './composer.ts'
import { HeaderFilter } from './header-filter.ts'
import type { RejectReason } from './rejected.ts'

/** Whether it is the name of the header `content-type`, in letters of either case. */
export function isContentType({ bytes, start, end }: ByteRange): boolean {
  return isAscii(bytes, start, end, 'content-type')
}

/**
 * A record with any value as an event: subject = the key behind the route's prefix, data = the value, published when the
 * record's time says, headers as attributes where they are UTF-8 (a null one is left out). Its content type is that of its
 * header `content-type`, else the stream's.
 */
export class RawComposer implements Composer, HeaderSink {
  readonly fault = ''
  readonly #prefix: Buffer
  readonly #contentType: ByteRange
  readonly #filter: HeaderFilter
  readonly #frame: ConfluentFrame | undefined
  #into: EnvelopeWriter | undefined
  readonly #type = new ByteRange()

  constructor(format: StreamFormat, prefix: string) {
    this.#prefix = Buffer.from(prefix)
    this.#contentType = ByteRange.of(format.contentType)
    this.#filter = new HeaderFilter(format.headers)
    this.#frame = format.framing === 'confluent' ? new ConfluentFrame() : undefined
  }

  compose(record: SourceRecord, into: EnvelopeWriter): RejectReason | undefined {
    if (record.keyStart < 0) return 'no_subject'
    into.subject(this.#prefix, record.buffer, record.keyStart, record.keyEnd)
    this.#into = into
    this.#type.setTo(this.#contentType)
    record.eachHeader(this)
    into.publishedAt(record.timeMs * 1000)
    return composeData(record, into, this.#frame, this.#type)
  }

  header(name: ByteRange, value: ByteRange): void {
    if (value.start < 0 || !validUtf8(value.bytes, value.start, value.end)) return
    if (isContentType(name)) {
      if (value.length > 0) this.#type.setTo(value)
    } else if (this.#filter.takes(name) && validUtf8(name.bytes, name.start, name.end)) {
      this.#into!.attribute(name, value)
    }
  }
}
