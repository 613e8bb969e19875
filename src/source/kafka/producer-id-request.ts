import { type ByteReader, ByteWriter } from './encoding.ts'
import { KafkaAnswerError } from './protocol-errors.ts'
import type { KafkaRequest, Throttled } from './request.ts'

export interface ProducerId {
  readonly producerId: number
  readonly producerEpoch: number
}

const notTransactional = -1
/** Without a transaction it has no effect, ms. */
const transactionTimeoutMs = 60_000

/** InitProducerId v1 (KIP-98): the identity by which the broker recognizes a repeated batch. */
export function producerIdRequest(): KafkaRequest<ProducerId> {
  const body = new ByteWriter(8).int16(notTransactional).int32(transactionTimeoutMs)
  return { apiKey: 22, apiName: 'InitProducerId', apiVersion: 1, body: body.written(), decode }
}

function decode(reader: ByteReader, throttled: Throttled): ProducerId {
  throttled(reader.int32())
  const error = reader.int16()
  if (error !== 0) throw new KafkaAnswerError(error, 'a producer id')
  return { producerId: reader.int64(), producerEpoch: reader.int16() }
}
