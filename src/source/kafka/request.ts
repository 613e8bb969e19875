import type { ByteReader } from './encoding.ts'

export type Throttled = (ms: number) => void

/**
 * A request that Carillon encodes itself: its body (flexible versions begin with the tagged
 * fields of the header) and the decoder of its answer.
 */
export interface KafkaRequest<T> {
  readonly apiKey: number
  readonly apiName: string
  readonly apiVersion: number
  readonly body: Buffer
  /**
   * Calls `throttled` with the pause in the answer (`throttle_time_ms`, KIP-219), even if it then
   * throws.
   */
  decode(reader: ByteReader, throttled: Throttled): T
}
