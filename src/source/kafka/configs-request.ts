import { type ByteReader, ByteWriter } from './encoding.ts'
import { KafkaAnswerError } from './protocol-errors.ts'
import type { KafkaRequest, Throttled } from './request.ts'

/** Kafka's resource type for topics. */
const topicResource = 2
const allNames = -1

/** DescribeConfigs v1: a topic's configuration by Kafka's names, including defaults. */
export function configsRequest(topic: string): KafkaRequest<Map<string, string>> {
  const synonyms = 0
  const body = new ByteWriter().int32(1).int8(topicResource).string(topic).int32(allNames).int8(synonyms)
  return { apiKey: 32, apiName: 'DescribeConfigs', apiVersion: 1, body: body.written(), decode }
}

function decode(reader: ByteReader, throttled: Throttled): Map<string, string> {
  throttled(reader.int32())
  const configs = new Map<string, string>()
  for (let resources = reader.int32(); resources > 0; resources--) {
    const error = reader.int16()
    const message = reader.nullableString()
    reader.int8()
    const topic = reader.string()
    if (error !== 0) throw new KafkaAnswerError(error, `topic ${topic}`, message)
    for (let n = reader.int32(); n > 0; n--) {
      configs.set(reader.string(), reader.nullableString() ?? '')
      // Flags read-only, source and sensitive, and an empty list of synonyms.
      reader.int8()
      reader.int8()
      reader.int8()
      reader.int32()
    }
  }
  return configs
}
