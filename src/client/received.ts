import type { Delivery, Event, GapReason } from '../wire/frames.ts'
import type { RelayedGap } from './gap.ts'

/** U+FEFF at the start is text like any other. */
const decoder = new TextDecoder('utf-8', { ignoreBOM: true })

/** An event as a subscriber is given it. `T` is what its data is as JSON: a claim of the subscriber's, not checked. */
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
  /** Over SSE only; elsewhere the gateway does not say it. */
  readonly stream: string | undefined
  readonly partition: number
  readonly offset: number
  /** Token of the position behind it, in its partition alone; '' where the gateway did not say, as over SSE at most times. */
  readonly after: string

  constructor({ event, stream, partition, offset, after }: Delivery) {
    Object.assign(this, event)
    this.stream = stream
    this.partition = partition
    this.offset = offset
    this.after = after
  }

  /** The data as UTF-8. */
  text(): string {
    return decoder.decode(this.data)
  }

  /** The data as JSON, a byte order mark before it aside. Throws SyntaxError where it is none. */
  json(): T {
    return JSON.parse(this.text().replace(/^\ufeff/, ''))
  }
}

/** Offsets of a partition that the subscriber will not be given: fetch the state that the events were about, then go on. */
export interface ReceivedGap {
  readonly kind: 'gap'
  /** `unspecified` = a reason that this version does not know. */
  readonly reason: GapReason
  readonly stream: string
  readonly partition: number
  /** First and last offset, inclusive; `to` undefined = unknown. */
  readonly from: number
  readonly to: number | undefined
  /** How many events, where known. */
  readonly n: number | undefined
  /** Whether something was certainly lost. */
  readonly certain: boolean
  /** Token of the position behind it, in its partition alone. */
  readonly after: string
}

/** What a subscription brings, in order. */
export type Received<T = unknown> = ReceivedEvent<T> | ReceivedGap

export function receivedGap({ refs, behind, ...gap }: RelayedGap): ReceivedGap {
  return { to: undefined, n: undefined, ...gap, after: behind ?? gap.after }
}
