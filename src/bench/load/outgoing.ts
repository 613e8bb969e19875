/** Events that are published together: envelopes one behind the other, all equally long. */
export interface Outgoing {
  readonly count: number
  /** Each envelope with what the way out puts before it (`Way.before`). */
  readonly bytes: Buffer
  /** Of one envelope with what stands before it. */
  readonly stride: number
  /** Index of each event's subject. */
  readonly subjects: Uint32Array
  /** Number of each event among its subject's. */
  readonly numbers: Uint32Array
}

/** A publisher's way to the log. */
export interface Way {
  /** What stands before each envelope. */
  readonly before: Buffer
  /** Batches that may be under way at once: one where order could be lost otherwise. */
  readonly maxBatches: number
  readonly maxEvents: number
  /** Resolves when all are acknowledged. Rejects with a Refusal where none was written, else the events may be there or not. */
  send(outgoing: Outgoing): Promise<void>
  close(): Promise<void>
}

/** Nothing was written, and trying again would be refused as well. */
export class Refusal extends Error {}

/** How to open a way, by its name in the publisher's process; another server has one of its own. */
export type OpenWay = (options: WayOptions) => Promise<Way>

export interface WayOptions {
  /** What stands before a subject's number. */
  readonly prefix: string
  readonly subjects: number
  /** Bytes of an envelope. */
  readonly envelopeBytes: number
  /** What the target wants its ways to know; must survive being sent to another process. */
  readonly target: unknown
}
