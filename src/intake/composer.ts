import { absent } from '../base/absent.ts'
import { ByteRange } from '../base/byte-range.ts'
import type { RejectReason } from '../base/reject-reasons.ts'
import type { SourceRecord } from '../log/record.ts'
import type { ConfluentFrame } from '../wire/confluent.ts'
import type { EnvelopeWriter } from '../wire/envelope-writer.ts'
import { isProtobufType } from '../wire/protobuf-type.ts'

/**
 * Composes an envelope for a record that has none. One implementation per format, except `event`.
 * Reused for all records of a stream.
 */
export interface Composer {
  /** Details of the last refusal, as text for people, if the reason alone is not enough. */
  readonly fault: string
  /**
   * The last record's `traceparent`, if it is not in the header of that name; empty or undefined
   * = none.
   */
  readonly trace?: ByteRange
  /**
   * Writes the envelope; undefined = success. Strings are valid UTF-8, except for the subject:
   * scanning the result validates it.
   */
  compose(record: SourceRecord, into: EnvelopeWriter): RejectReason | undefined
}

const schemaIdName = ByteRange.of('schemaId')
const indexesName = ByteRange.of('messageIndexes')

/**
 * Returns the start of the value's content, after the frame if the stream has one; `absent` =
 * frame missing.
 */
export function contentStartOf(
  { buffer, valueStart, valueEnd }: SourceRecord,
  frame: ConfluentFrame | undefined,
  type: ByteRange,
): number {
  if (frame === undefined) return valueStart
  const isProtobuf = isProtobufType(type.bytes, type.start, type.end)
  const isFramed = isProtobuf
    ? frame.readProtobuf(buffer, valueStart, valueEnd)
    : frame.read(buffer, valueStart, valueEnd)
  return isFramed ? frame.contentStart : absent
}

/**
 * Writes the value as the event's data with this content type. Removes the frame, if any: the
 * schema id becomes the attribute `schemaId`, and the path of a protobuf message that is not its
 * schema's first becomes `messageIndexes`. A null value is a deletion.
 */
export function composeData(
  record: SourceRecord,
  into: EnvelopeWriter,
  frame: ConfluentFrame | undefined,
  type: ByteRange,
): RejectReason | undefined {
  const { buffer, valueStart, valueEnd } = record
  if (valueStart < 0) {
    into.deleted()
    return undefined
  }
  const dataStart = contentStartOf(record, frame, type)
  if (dataStart === absent) return 'bad_framing'
  if (frame !== undefined) writeSchema(into, frame)
  into.field('contentType', type.bytes, type.start, type.end)
  into.field('data', buffer, dataStart, valueEnd)
  return undefined
}

export function writeSchema(into: EnvelopeWriter, frame: ConfluentFrame): void {
  into.attribute(schemaIdName, frame.schemaId)
  if (frame.indexes.length > 0) into.attribute(indexesName, frame.indexes)
}
