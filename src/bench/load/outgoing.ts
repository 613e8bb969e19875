/** A batch of events to publish: consecutive envelopes of equal length. */
export interface Outgoing {
  readonly count: number
  /** The envelopes, each after the bytes that the way requires before it (`Way.before`). */
  readonly bytes: Buffer
  /** Bytes of one envelope, including the bytes before it. */
  readonly stride: number
  /** Index of each event's subject. */
  readonly subjects: Uint32Array
  /** Number of each event within its subject. */
  readonly numbers: Uint32Array
}

/** How a publisher writes to the log. */
export interface Way {
  /** Bytes before each envelope. */
  readonly before: Buffer
  /** Most batches in flight; 1 where more could break the order. */
  readonly maxBatches: number
  readonly maxEvents: number
  /**
   * Publishes a batch. Resolves when all events are acknowledged. Rejects with a Refusal where
   * none was written; after any other error, the log may or may not have the events.
   */
  send(outgoing: Outgoing): Promise<void>
  close(): Promise<void>
}

/** Nothing was written, and a retry would be refused as well. */
export class Refusal extends Error {}

/** Opens a way. The publisher's process names its ways; another server supplies its own. */
export type OpenWay = (options: WayOptions) => Promise<Way>

export interface WayOptions {
  /** The text before a subject's number. */
  readonly prefix: string
  readonly subjects: number
  /** Size of an envelope, bytes. */
  readonly envelopeBytes: number
  /** Data from the target for its ways. Must survive serialization to another process. */
  readonly target: unknown
}
