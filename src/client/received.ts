import type { Delivery, Event, GapReason } from '../wire/frames.ts'
import type { RelayedGap } from './gap.ts'

/** Keeps a U+FEFF at the start: it is part of the text. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** An event as a subscriber receives it. `T` types its JSON data, unchecked at run time. */
export class ReceivedEvent<T = unknown> implements Event {
  readonly kind = 'event'
  declare readonly subject: string
  declare readonly id: string
  declare readonly type: string
  declare readonly contentType: string
  declare readonly data: Uint8Array
  declare readonly publishedAtUs: number
  declare readonly ttlMs: number
  declare readonly collapseKey: string
  declare readonly priority: number
  declare readonly attributes: Readonly<Record<string, string>>
  declare readonly deleted: boolean
  /** Known over SSE only; other transports do not carry it. */
  readonly stream: string | undefined
  readonly partition: number
  readonly offset: number
  /**
   * Token of the position after this event, for its partition alone; '' if the gateway did not
   * send one. SSE sends it with few events.
   */
  readonly after: string

  constructor({ event, stream, partition, offset, after }: Delivery) {
    Object.assign(this, event)
    this.stream = stream
    this.partition = partition
    this.offset = offset
    this.after = after
  }

  /** Returns the data decoded as UTF-8. */
  text(): string {
    return decoder.decode(this.data)
  }

  /** Returns the parsed JSON data; ignores a leading byte order mark. Throws SyntaxError. */
  json(): T {
    return JSON.parse(this.text().replace(/^\ufeff/, ''))
  }
}

/**
 * Offsets of a partition that the subscriber will not receive. The usual reaction is to fetch the
 * state that the events describe, then continue.
 */
export interface ReceivedGap {
  readonly kind: 'gap'
  /** `unspecified` = a reason that this version does not know. */
  readonly reason: GapReason
  readonly stream: string
  readonly partition: number
  /** First and last offset, inclusive; `to` undefined = unknown. */
  readonly from: number
  readonly to: number | undefined
  /** Number of events; undefined = unknown. */
  readonly n: number | undefined
  /** Whether events were certainly lost. */
  readonly certain: boolean
  /** Token of the position after the gap, for its partition alone. */
  readonly after: string
}

/** An item of a subscription, in order. */
export type Received<T = unknown> = ReceivedEvent<T> | ReceivedGap

export function receivedGap({ refs, behind, ...gap }: RelayedGap): ReceivedGap {
  return { to: undefined, n: undefined, ...gap, after: behind ?? gap.after }
}
