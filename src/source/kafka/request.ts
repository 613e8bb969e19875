import type { ByteReader } from './encoding.ts'

/** A request of our own: its encoded body (flexible versions begin with the header's tag section) and its decoder. */
export interface KafkaRequest<T> {
  readonly apiKey: number
  readonly apiName: string
  readonly apiVersion: number
  readonly body: Buffer
  decode(reader: ByteReader): T
}
