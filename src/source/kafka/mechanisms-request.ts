import { ByteWriter } from './encoding.ts'
import type { KafkaRequest } from './request.ts'

/**
 * SaslHandshake v1 (KIP-152): its answer lists the mechanisms that the broker accepts, even if it
 * refuses the requested one.
 */
export function mechanismsRequest(mechanism: string): KafkaRequest<string[]> {
  const body = new ByteWriter(64).string(mechanism.toUpperCase()).written()
  return {
    apiKey: 17,
    apiName: 'SaslHandshake',
    apiVersion: 1,
    body,
    decode: (reader) => {
      reader.int16()
      return Array.from({ length: reader.int32() }, () => reader.string())
    },
  }
}
