import { absent, ByteRange } from '../base/byte-range.ts'
import type { RejectReason } from '../base/reject-reasons.ts'
import type { SourceRecord } from '../log/record.ts'
import type { ConfluentFrame } from '../wire/confluent.ts'
import type { EnvelopeWriter } from '../wire/envelope-writer.ts'
import { isProtobufType } from '../wire/protobuf-type.ts'

/** Makes an envelope of a record that has none: one for each format but `event`. Reused for all records of a stream. */
export interface Composer {
  /** What is wrong with the record refused last, where its reason alone does not say it; for people. */
  readonly fault: string
  /** The `traceparent` of the record composed last where it is not among the headers of that name; empty or undefined = none. */
  readonly trace?: ByteRange
  /**
   * Writes the envelope; undefined = done. Strings are UTF-8, but for the subject: whoever scans the result finds whether that
   * one is valid.
   */
  compose(record: SourceRecord, into: EnvelopeWriter): RejectReason | undefined
}

const schemaIdName = ByteRange.of('schemaId')
const indexesName = ByteRange.of('messageIndexes')

/** Where the content of the value begins, behind the frame where there is one; `absent` = it has none. */
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
 * The value as the event's data, of this content type. With a frame, that is taken off, and the schema's id goes into the attribute `schemaId`, for a protobuf message that is not its schema's first its path into
 * `messageIndexes`. A null value is a deletion.
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
