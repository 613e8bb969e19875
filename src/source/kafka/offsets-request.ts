import { type ByteReader, ByteWriter } from './encoding.ts'
import { KafkaAnswerError } from './protocol-errors.ts'
import type { KafkaRequest, Throttled } from './request.ts'

/** ListOffsets time that asks for the start of the log. */
export const earliest = -2
/**
 * ListOffsets time that asks for the head: the high watermark, or for a read-committed reader the
 * last stable offset, see `Isolation`.
 */
export const latest = -1

export interface LedPartition {
  readonly topic: string
  readonly partition: number
  readonly leaderEpoch: number
}

/** `committed` asks for the head of a read-committed reader, `all` for the high watermark. */
export type Isolation = 'committed' | 'all'

/**
 * ListOffsets v4: the first offset whose record time is ≥ `timeMs`, or -1 if there is none. The
 * request contains the topic name, not its id: a caller that needs a specific incarnation asks
 * for metadata first.
 */
export function offsetRequest(
  { topic, partition, leaderEpoch }: LedPartition,
  timeMs: number,
  isolation: Isolation = 'committed',
): KafkaRequest<number> {
  const consumer = -1
  const readCommitted = isolation === 'committed' ? 1 : 0
  const body = new ByteWriter(64 + topic.length).int32(consumer).int8(readCommitted)
  body.int32(1).string(topic).int32(1).int32(partition).int32(leaderEpoch).int64(timeMs)
  return {
    apiKey: 2,
    apiName: 'ListOffsets',
    apiVersion: 4,
    body: body.written(),
    decode: (r, throttled) => decode(r, throttled, topic),
  }
}

function decode(reader: ByteReader, throttled: Throttled, topic: string): number {
  throttled(reader.int32())
  const topics = reader.int32()
  if (topics !== 1) throw new RangeError(`expected the offsets of one topic, got ${topics}`)
  reader.string()
  reader.int32()
  const partition = reader.int32()
  const error = reader.int16()
  if (error !== 0) throw new KafkaAnswerError(error, `offsets of topic ${topic}, partition ${partition}`)
  reader.int64()
  return reader.int64()
}
