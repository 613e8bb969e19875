import { type ByteReader, ByteWriter } from './encoding.ts'
import { KafkaAnswerError } from './protocol-errors.ts'
import type { KafkaRequest, Throttled } from './request.ts'

/** The broker's default replication factor. */
const ownReplication = -1

/**
 * CreateTopics v4, with the broker's default replication factor. The first version that accepts
 * the default and includes an error message in its answer.
 */
export function createRequest(
  topic: string,
  partitions: number,
  config: { readonly name: string; readonly value: string },
  timeoutMs: number,
): KafkaRequest<true> {
  const body = new ByteWriter().int32(1).string(topic).int32(partitions).int16(ownReplication)
  // No assignments.
  body.int32(0).int32(1).string(config.name).string(config.value)
  const validateOnly = 0
  body.int32(timeoutMs).int8(validateOnly)
  return { apiKey: 19, apiName: 'CreateTopics', apiVersion: 4, body: body.written(), decode }
}

function decode(reader: ByteReader, throttled: Throttled): true {
  throttled(reader.int32())
  const topics = reader.int32()
  if (topics !== 1) throw new RangeError(`expected the answer of one topic, got ${topics}`)
  const topic = reader.string()
  const error = reader.int16()
  if (error !== 0) throw new KafkaAnswerError(error, `topic ${topic}`, reader.nullableString())
  return true
}
