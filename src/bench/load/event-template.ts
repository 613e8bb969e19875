import { encodeEvent } from '../../wire/envelope.ts'
import { makeEvent } from '../../wire/frames.ts'
import { eventText, findPayload, stampPayload, writeDigits } from './payload.ts'
import { subjectDigits, subjectName } from './subjects.ts'

const idDigits = 16
const idMark = 7_777_777_777_777_777
/** A time in Unix µs. Every time between 2004 and 4253 is a varint of eight bytes. */
const someUs = 1_700_000_000_000_000
const timeBytes = 8

/**
 * One run's events as protobuf envelopes. All have the same layout, so an event is a copy of the
 * template with subject, id, times and number overwritten. A copy costs a tenth of encoding an
 * event.
 */
export class EventTemplate {
  readonly bytes: number
  readonly #template: Buffer
  readonly #subjectAt: number
  readonly #idAt: number
  readonly #timeAt: number
  readonly #payloadAt: number

  /** `prefix` is the subjects' common prefix; `payloadBytes` is the size of an event's data. */
  constructor(prefix: string, payloadBytes: number) {
    const data = eventText(0, 0, payloadBytes)
    const subject = subjectName(prefix, 0)
    const made = makeEvent({
      subject,
      id: String(idMark),
      contentType: 'application/json',
      publishedAtUs: someUs,
      data,
    })
    this.#template = Buffer.from(encodeEvent(made))
    this.bytes = this.#template.length
    this.#subjectAt = this.#template.indexOf(subject) + prefix.length
    this.#idAt = this.#template.indexOf(String(idMark))
    this.#payloadAt = findPayload(this.#template, 0, this.bytes)
    const time = Buffer.alloc(timeBytes)
    writeTime(time, 0, someUs)
    this.#timeAt = this.#template.indexOf(time)
  }

  /** Writes the event into `target` at `at`; `wallUs` is the due time on the wall clock. */
  write(
    target: Buffer,
    at: number,
    event: { subject: number; id: number; number: number; dueUs: number; wallUs: number },
  ): void {
    this.#template.copy(target, at)
    writeDigits(target, at + this.#subjectAt, subjectDigits, event.subject)
    writeDigits(target, at + this.#idAt, idDigits, event.id)
    writeTime(target, at + this.#timeAt, event.wallUs)
    stampPayload(target, at + this.#payloadAt, event.dueUs, event.number)
  }
}

/** Writes a varint of exactly `timeBytes`. */
function writeTime(bytes: Uint8Array, at: number, us: number): void {
  let rest = us
  for (let i = 0; i < timeBytes; i++) {
    const next = Math.floor(rest / 128)
    bytes[at + i] = rest - next * 128 + (i < timeBytes - 1 ? 128 : 0)
    rest = next
  }
}
