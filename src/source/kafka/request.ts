import type { ByteReader } from './encoding.ts'

export type Throttled = (ms: number) => void

/** A request of our own: its encoded body (flexible versions begin with the header's tag section) and its decoder. */
export interface KafkaRequest<T> {
  readonly apiKey: number
  readonly apiName: string
  readonly apiVersion: number
  readonly body: Buffer
  /** Tells each pause that the answer asks for (`throttle_time_ms`, KIP-219), also where it goes on to throw. */
  decode(reader: ByteReader, throttled: Throttled): T
}
