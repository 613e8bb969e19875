import type { Retry } from '../base/errors.ts'
import { gapReasons as knownReasons } from '../base/gap-reasons.ts'

/**
 * The frames between clients and gateways, in any encoding: json.ts, proto.ts and sse.ts encode
 * and decode these shapes. Names and units are those of proto/carillon/v1. All integers are below
 * 2^53.
 */

/** JSON text, protobuf, or blocks of server-sent events. */
export type Encoding = 'json' | 'proto' | 'sse'

/**
 * A notification. In memory every field is present, with proto3's default if the publisher left
 * it out.
 */
export interface Event {
  readonly subject: string
  readonly id: string
  readonly type: string
  /** Media type of `data`. */
  readonly contentType: string
  readonly data: Uint8Array
  /** Publisher's clock, Unix µs, or `unknownPublishedAtUs`. */
  readonly publishedAtUs: number
  /** Lifetime, ms; 0 = unlimited. */
  readonly ttlMs: number
  readonly collapseKey: string
  readonly priority: number
  readonly attributes: Readonly<Record<string, string>>
  readonly deleted: boolean
}

/** Time of publication unknown. */
export const unknownPublishedAtUs = 0

/**
 * Returns the time of publication, Unix µs: by the publisher's clock, or `otherwiseUs` if
 * unknown.
 */
export const publishedAt = ({ publishedAtUs }: Pick<Event, 'publishedAtUs'>, otherwiseUs: number): number =>
  publishedAtUs === unknownPublishedAtUs ? otherwiseUs : publishedAtUs

const noBytes = /* @__PURE__ */ new Uint8Array(0)
const noAttributes: Event['attributes'] = /* @__PURE__ */ Object.freeze({})

/** Returns an event with defaults for missing fields. */
export function makeEvent(fields: Partial<Event> & Pick<Event, 'subject'>): Event {
  return {
    id: '',
    type: '',
    contentType: '',
    data: noBytes,
    publishedAtUs: unknownPublishedAtUs,
    ttlMs: 0,
    collapseKey: '',
    priority: 0,
    attributes: noAttributes,
    deleted: false,
    ...fields,
  }
}

/**
 * What a subscription that is catching up receives: every event, or only the newest of each
 * subject.
 */
export const policies = ['lossless', 'latest'] as const
export type Policy = (typeof policies)[number]
/** Maximum of `last`: events per subject. */
export const maxLast = 1000

export interface SubscribeOptions {
  /** Number of latest events of each subject to deliver first; excludes `after`. */
  readonly last?: number
  /** Absent = lossless. */
  readonly policy?: 'latest'
}

/** Returns the options without those at their defaults. */
export function subscribeOptions(last: number | undefined, policy: Policy | undefined): SubscribeOptions {
  return { ...(last === undefined ? {} : { last }), ...(policy === 'latest' ? { policy } : {}) }
}

export interface Subscribe extends SubscribeOptions {
  readonly kind: 'subscribe'
  /** Chosen by the client; 0 if the frame had none. */
  readonly ref: number
  /** A subject or pattern, not validated; empty if the frame had none. */
  readonly subject: string
  /**
   * Tokens, `earliest`, `latest` or `@time`, as received (`parseAfter` reads them); empty =
   * latest.
   */
  readonly after: readonly string[]
}

export interface Unsubscribe {
  readonly kind: 'unsubscribe'
  readonly ref: number
}

export interface Ping {
  readonly kind: 'ping'
  readonly t: number
}

export type ClientFrame = Subscribe | Unsubscribe | Ping

/** A frame from a client may have so many bytes at any gateway: `limits.maxFrameBytes` is no less. */
export const leastFrameBytes = 1024

export interface Limits {
  readonly maxFrameBytes: number
  readonly maxEventBytes: number
  readonly maxSubjectBytes: number
  readonly maxSubscriptions: number
}

export interface Welcome {
  readonly kind: 'welcome'
  readonly gateway: string
  readonly version: string
  readonly limits: Limits
  readonly heartbeatMs: number
  readonly nowUs: number
}

export interface Subscribed {
  readonly kind: 'subscribed'
  readonly ref: number
  readonly after: string
}

export interface Delivery {
  readonly kind: 'delivery'
  /**
   * Position after the event. Over SSE it is the block's id, and the frame names the `stream` as
   * well.
   */
  readonly after: string
  readonly stream?: string | undefined
  readonly partition: number
  readonly offset: number
  readonly event: Event
  /** undefined or empty = every matching live subscription. */
  readonly refs?: readonly number[] | undefined
}

export interface Live {
  readonly kind: 'live'
  readonly ref: number
}

/**
 * In the order of proto/carillon/v1's enum. Unknown reasons of a newer gateway decode to
 * `unspecified`.
 */
export const gapReasons = ['unspecified', ...knownReasons] as const

export type GapReason = (typeof gapReasons)[number]

export interface Gap {
  readonly kind: 'gap'
  /** undefined or empty = every live subscription. */
  readonly refs?: readonly number[] | undefined
  readonly stream: string
  readonly partition: number
  /** First and last offset, both inclusive; `to` undefined = unknown. */
  readonly from: number
  readonly to?: number | undefined
  /** Number of events; undefined = unknown. */
  readonly n?: number | undefined
  readonly reason: GapReason
  readonly certain: boolean
  readonly after: string
}

export interface Unsubscribed {
  readonly kind: 'unsubscribed'
  readonly ref: number
}

export interface Pong {
  readonly kind: 'pong'
  readonly t: number
  readonly nowUs: number
  /**
   * Current position of all live subscriptions, which keeps the position of a quiet subject
   * fresh; empty = none.
   */
  readonly after: string
}

export interface ErrorFrame {
  readonly kind: 'error'
  /** The subscription concerned; undefined = none. */
  readonly ref?: number | undefined
  /** A code from the table of errors; a newer gateway may send others. */
  readonly code: string
  readonly message: string
  /** Whether the same request can succeed later. */
  readonly retry: Retry
  /** Delay before a retry, ms; 0 = the client chooses. */
  readonly retryAfterMs: number
}

export type ServerFrame = Welcome | Subscribed | Delivery | Live | Gap | Unsubscribed | Pong | ErrorFrame

/** Result of publishing one event; `after` is the position after it. */
export interface Published {
  readonly after: string
  readonly stream: string
  readonly partition: number
  readonly offset: number
}
