import { type ByteReader, ByteWriter } from './encoding.ts'
import { KafkaAnswerError } from './protocol-errors.ts'
import type { KafkaRequest, Throttled } from './request.ts'

const allInSync = -1
const notTransactional = -1

/**
 * Produce v8 (KIP-467), the first version with error messages: one batch for one partition,
 * acknowledged by all replicas in sync. Resolves with the offset of its first record.
 */
export function produceRequest(
  topic: string,
  partition: number,
  batch: Buffer,
  timeoutMs: number,
): KafkaRequest<number> {
  const body = new ByteWriter(64 + topic.length + batch.length)
  body.int16(notTransactional).int16(allInSync).int32(timeoutMs)
  body.int32(1).string(topic).int32(1).int32(partition).int32(batch.length).bytes(batch)
  return {
    apiKey: 0,
    apiName: 'Produce',
    apiVersion: 8,
    body: body.written(),
    decode: (reader, throttled) => decode(reader, throttled, topic, partition),
  }
}

function decode(reader: ByteReader, throttled: Throttled, topic: string, partition: number): number {
  const topics = reader.int32()
  if (topics !== 1) throw new RangeError(`expected the answer of one topic, got ${topics}`)
  reader.string()
  reader.int32()
  reader.int32()
  const error = reader.int16()
  const base = reader.int64()
  // The log append time and the start of the log.
  reader.int64()
  reader.int64()
  let message: string | null = null
  for (let n = reader.int32(); n > 0; n--) {
    reader.int32()
    message ??= reader.nullableString()
  }
  message = reader.nullableString() ?? message
  throttled(reader.int32())
  if (error !== 0) throw new KafkaAnswerError(error, `produce to topic ${topic}, partition ${partition}`, message)
  return base
}
