import { loopClock } from '../../src/base/clock.ts'
import { BrokerLink } from '../../src/source/kafka/broker-link.ts'
import { Connector } from '../../src/source/kafka/connector.ts'
import { type ByteReader, ByteWriter } from '../../src/source/kafka/encoding.ts'
import { kafkaDefaults } from '../../src/source/kafka/options.ts'
import type { KafkaRequest, Throttled } from '../../src/source/kafka/request.ts'

export interface ClientQuota {
  readonly clientId: string
  readonly name: 'consumer_byte_rate' | 'producer_byte_rate' | 'request_percentage'
  readonly value: number
}

/** Sets quotas of client ids (AlterClientQuotas v0, KIP-546), which kafkajs lacks and Kafka's own tool takes a JVM for. */
export async function setClientQuotas(broker: string, quotas: readonly ClientQuota[]): Promise<void> {
  const options = { ...kafkaDefaults, brokers: [broker], connectTimeoutMs: 5000 }
  const link = await BrokerLink.open(new Connector(options, loopClock(), () => {}), broker, 'questions')
  try {
    const error = await link.ask(alterRequest(quotas), 5000)
    if (error !== 0) throw new Error(`quotas were not set: error ${error}`)
  } finally {
    link.drop(new Error('done'))
  }
}

function alterRequest(quotas: readonly ClientQuota[]): KafkaRequest<number> {
  const body = new ByteWriter().int32(quotas.length)
  for (const { clientId, name, value } of quotas) {
    const number = Buffer.alloc(8)
    number.writeDoubleBE(value)
    body.int32(1).string('client-id').string(clientId)
    body.int32(1).string(name).bytes(number).int8(0)
  }
  const validateOnly = 0
  body.int8(validateOnly)
  return { apiKey: 49, apiName: 'AlterClientQuotas', apiVersion: 0, body: body.written(), decode }
}

function decode(reader: ByteReader, throttled: Throttled): number {
  throttled(reader.int32())
  reader.int32()
  return reader.int16()
}
