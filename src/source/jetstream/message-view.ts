import type { MsgImpl } from '@nats-io/transport-node'
import { absent } from '../../base/absent.ts'
import { addHeaders, type HeaderSink, type SourceRecord } from '../../log/record.ts'
import type { Delivery } from './delivery.ts'
import { eachHeader, HeaderFacts } from './headers.ts'

const nothing = new Uint8Array(0)

/** The part of a partition's subjects before the key. */
export class KeyPrefix {
  readonly text: string
  readonly #bytes: Buffer

  constructor(text: string) {
    this.text = text
    this.#bytes = Buffer.from(text)
  }

  get length(): number {
    return this.#bytes.length
  }

  /** Returns whether `subject` consists of this prefix and a key. */
  begins(subject: Uint8Array): boolean {
    const bytes = this.#bytes
    if (subject.length <= bytes.length) return false
    for (let i = 0; i < bytes.length; i++) if (subject[i] !== bytes[i]) return false
    return true
  }
}

/**
 * The single, reused record object of a reader: ranges in the bytes from the socket. Subject and
 * payload nearly always share one buffer. If not, both are copied into this view's buffer, which
 * grows to the largest such message.
 */
export class MessageView implements SourceRecord {
  buffer: Buffer = Buffer.alloc(0)
  partition = 0
  offset = 0
  timeMs = 0
  generation = 0
  keyStart = absent
  keyEnd = absent
  valueStart = absent
  valueEnd = absent
  traceStart = absent
  traceEnd = absent
  foreign: string | undefined
  #headersStart = 0
  #headersEnd = 0
  readonly #facts = new HeaderFacts()
  #pieceOf: ArrayBufferLike | undefined
  #piece: Buffer = this.buffer
  #own: Buffer = this.buffer

  set(message: MsgImpl, delivery: Delivery, partition: number, prefix: KeyPrefix): void {
    const { subject, hdr } = message._msg
    const data = message._rdata ?? nothing
    const subjectStart = this.#place(subject, data)
    const dataStart = this.#dataStart
    const headerBytes = Math.max(hdr, 0)
    this.partition = partition
    this.offset = delivery.streamSequence
    this.timeMs = delivery.timeMs
    this.generation = delivery.timeMs % 2 ** 32
    this.foreign = prefix.begins(subject) ? undefined : prefix.text
    this.keyStart = this.foreign === undefined ? subjectStart + prefix.length : subjectStart
    this.keyEnd = subjectStart + subject.length
    this.valueStart = dataStart + headerBytes
    this.valueEnd = dataStart + data.length
    this.#headersStart = dataStart
    this.#headersEnd = dataStart + headerBytes
    this.traceStart = absent
    this.traceEnd = absent
    if (headerBytes > 0) this.#readHeaders()
  }

  headers(): Map<string, Buffer | null> {
    return addHeaders(this, new Map())
  }

  eachHeader(sink: HeaderSink): void {
    eachHeader(this.buffer, this.#headersStart, this.#headersEnd, sink)
  }

  #dataStart = 0

  /** Sets `buffer` and `#dataStart`; returns the start of the subject in `buffer`. */
  #place(subject: Uint8Array, data: Uint8Array): number {
    if (subject.buffer === data.buffer) {
      if (data.buffer !== this.#pieceOf) {
        this.#pieceOf = data.buffer
        this.#piece = Buffer.from(data.buffer)
      }
      this.buffer = this.#piece
      this.#dataStart = data.byteOffset
      return subject.byteOffset
    }
    const length = subject.length + data.length
    if (this.#own.length < length) this.#own = Buffer.allocUnsafeSlow(length)
    this.#own.set(subject)
    this.#own.set(data, subject.length)
    this.buffer = this.#own
    this.#dataStart = subject.length
    return 0
  }

  #readHeaders(): void {
    const facts = this.#facts
    facts.read(this.buffer, this.#headersStart, this.#headersEnd)
    this.traceStart = facts.traceStart
    this.traceEnd = facts.traceEnd
    if (facts.nullKey) {
      this.keyStart = absent
      this.keyEnd = absent
    }
    if (facts.nullValue && this.valueStart === this.valueEnd) {
      this.valueStart = absent
      this.valueEnd = absent
    }
  }
}
