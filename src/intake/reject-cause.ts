import { CarillonError } from '../base/errors.ts'
import type { RejectReason } from '../base/reject-reasons.ts'
import { quoted } from '../base/shortened.ts'
import { validUtf8 } from '../base/utf8.ts'
import type { SourceRecord } from '../log/record.ts'
import type { Misrouted } from '../routing/diagnosis.ts'
import { validateSubject } from '../subject/subject.ts'
import { hasFrame, schemaIdOf } from '../wire/confluent.ts'
import type { StreamFormat } from '../wire/stream-format.ts'

export interface RejectContext {
  readonly stream: string
  readonly format: StreamFormat
  /** The route's prefix of record keys. */
  readonly prefix: string
  readonly misrouted: Misrouted
  readonly partitions: number
  /** The error in the envelope, or in the headers that replace it. */
  readonly fault: string
}

/** Returns the cause of a rejection and what to do about it, for the operator. */
export function rejectCause(reason: RejectReason, record: SourceRecord, context: RejectContext): string {
  const { misrouted, partitions, prefix } = context
  switch (reason) {
    case 'misrouted': {
      const problem = "it is not in its subject's partition"
      return `${problem}: ${misrouted.because(keyOf(record), record.partition, partitions)}`
    }
    case 'no_route':
      return 'no route of this stream matches its subject: add one, or publish the record to a stream whose route matches'
    case 'too_large':
      return 'as an event it is larger than limits.maxEventBytes: raise that, or send a reference to the data instead'
    case 'no_subject':
      return noSubjectBecause(record, prefix)
    case 'bad_subject':
      return context.fault
    case 'foreign_subject': {
      const subject = quoted(String(keyOf(record) ?? ''), 255)
      const problem = `its NATS subject ${subject} does not begin with ${record.foreign}, so its key is unknown`
      return `${problem}: let no other subject into the JetStream stream of this partition`
    }
    case 'bad_framing':
      return badFramingBecause(record, context)
    case 'bad_envelope':
      return badEnvelopeBecause(record, context)
  }
}

function keyOf(record: SourceRecord): Buffer | undefined {
  return record.keyStart < 0 ? undefined : record.buffer.subarray(record.keyStart, record.keyEnd)
}

function noSubjectBecause(record: SourceRecord, prefix: string): string {
  const key = keyOf(record)
  const isDeletion = record.valueStart < 0
  const what = isDeletion ? 'a null value deletes the subject that is its key, but' : 'its subject is its key, but'
  if (key === undefined || key.length === 0) return `${what} it has no key: its producer must set one`
  const strings = 'let its producer write keys as strings'
  if (key.length === 4 || key.length === 8) {
    if (!isText(key))
      return `${what} its key is ${key.length} bytes, which look like a number (0x${key.toString('hex')}): ${strings}`
  } else if (hasFrame(key, 0, key.length)) {
    return `${what} its key has a schema registry's frame (schema ${schemaIdOf(key, 0)}): ${strings}, without the registry`
  }
  if (!isText(key))
    return `${what} its key is ${key.length} bytes that are not text (0x${key.toString('hex', 0, 8)}): ${strings}`
  try {
    validateSubject(prefix + key.toString())
  } catch (error) {
    if (!(error instanceof CarillonError)) throw error
    return `${what} that is not a valid subject (${error.message}): keys must be tokens joined by dots, without spaces, "*" and ">"`
  }
  return `${what} that is not a valid subject`
}

const isText = (key: Buffer): boolean => validUtf8(key, 0, key.length) && !key.includes(0)

function badFramingBecause({ buffer, valueStart, valueEnd }: SourceRecord, { stream, format }: RejectContext): string {
  const start = hex(buffer, valueStart, valueEnd)
  const option = `streams.${stream}.framing`
  if (hasFrame(buffer, valueStart, valueEnd)) {
    const content = format.format === 'event' ? 'events are protobuf' : 'its content type is protobuf'
    return `${option} is confluent and ${content}, but no message indexes follow schema id ${schemaIdOf(buffer, valueStart)} (${start})`
  }
  return `${option} is confluent, but its value does not begin with 0x00 and a schema id (it begins with ${start}): set it to none, or publish with the registry's serializer`
}

function badEnvelopeBecause(record: SourceRecord, { stream, format, fault }: RejectContext): string {
  if (format.format === 'cloudevents') return fault
  const { buffer, valueStart, valueEnd } = record
  const problem = `its value is not a carillon.v1.Event (${fault})`
  const set = (option: string, value: string) => `set streams.${stream}.${option}: ${value}`
  if (format.framing === 'none' && hasFrame(buffer, valueStart, valueEnd)) {
    const id = schemaIdOf(buffer, valueStart)
    return `${problem}; it begins like a schema registry's frame (0x00, schema ${id}): ${set('framing', 'confluent')}, and for values that are not Carillon events ${set('format', 'raw')}`
  }
  if ([...record.headers()].some(isOfCloudEvent)) return `${problem} but a CloudEvent: ${set('format', 'cloudevents')}`
  return `${problem}: see proto/carillon/v1/event.proto, or, for a topic with other values, ${set('format', 'raw')}`
}

/** Returns whether a header is of a CloudEvent, in binary or structured mode. */
function isOfCloudEvent([name, value]: [string, Buffer | null]): boolean {
  if (/^ce[_-]specversion$/i.test(name)) return true
  return /^content-type$/i.test(name) && /^application\/cloudevents\b/i.test(String(value))
}

function hex(buffer: Buffer, start: number, end: number): string {
  return end === start ? 'nothing' : `0x${buffer.toString('hex', start, Math.min(end, start + 8))}`
}
