import type { Retry } from '../base/errors.ts'
import { gapReasons as knownReasons } from '../base/gap-reasons.ts'

/**
 * What clients and gateways say to each other, whatever the encoding: json.ts, proto.ts and sse.ts turn these shapes into
 * bytes and back. Names and units are those of proto/carillon/v1; all integers are below 2^53.
 */

/** JSON text, protobuf, or blocks of server-sent events. */
export type Encoding = 'json' | 'proto' | 'sse'

/** A notification. In memory every field is there, at proto3's default where the publisher gave none. */
export interface Event {
  readonly subject: string
  readonly id: string
  readonly type: string
  /** Media type of `data`. */
  readonly contentType: string
  readonly data: Uint8Array
  /** Publisher's clock, Unix µs; or `unknownPublishedAtUs`. */
  readonly publishedAtUs: number
  /** 0 = for ever. */
  readonly ttlMs: number
  readonly collapseKey: string
  readonly priority: number
  readonly attributes: Readonly<Record<string, string>>
  readonly deleted: boolean
}

/** That nobody knows when an event was published. */
export const unknownPublishedAtUs = 0

/** When an event was published: by its publisher's clock, or by another one where that is unknown. */
export const publishedAt = ({ publishedAtUs }: Pick<Event, 'publishedAtUs'>, otherwiseUs: number): number =>
  publishedAtUs === unknownPublishedAtUs ? otherwiseUs : publishedAtUs

const noBytes = /* @__PURE__ */ new Uint8Array(0)
const noAttributes: Event['attributes'] = /* @__PURE__ */ Object.freeze({})

/** The event with defaults for what is not given. */
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

/** What a subscription that is behind is given: every event, or of each subject only the newest. */
export const policies = ['lossless', 'latest'] as const
export type Policy = (typeof policies)[number]
/** Of `last`: what one subject may bring along. */
export const maxLast = 1000

export interface SubscribeOptions {
  /** The last so many events of each subject first; excludes `after`. */
  readonly last?: number
  /** Absent = lossless. */
  readonly policy?: 'latest'
}

/** The options without those that say nothing. */
export function subscribeOptions(last: number | undefined, policy: Policy | undefined): SubscribeOptions {
  return { ...(last === undefined ? {} : { last }), ...(policy === 'latest' ? { policy } : {}) }
}

export interface Subscribe extends SubscribeOptions {
  readonly kind: 'subscribe'
  /** The client's choice; 0 where the frame had none. */
  readonly ref: number
  /** A subject or pattern, not validated; empty where the frame had none. */
  readonly subject: string
  /** Tokens, `earliest`, `latest` or `@time`, as they came (`parseAfter` reads them); empty = latest. */
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
  /** Position after the event. Over SSE it is the block's id, and `stream` is told as well. */
  readonly after: string
  readonly stream?: string | undefined
  readonly partition: number
  readonly offset: number
  readonly event: Event
  /** undefined or empty = every live subscription that matches. */
  readonly refs?: readonly number[] | undefined
}

export interface Live {
  readonly kind: 'live'
  readonly ref: number
}

/** In the order of proto/carillon/v1's enum; `unspecified` is what a reason of a newer gateway is decoded to. */
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
  /** How many events; undefined = unknown. */
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
  /** Where every live subscription stands now, so that a quiet subject's position stays fresh; empty = nowhere. */
  readonly after: string
}

export interface ErrorFrame {
  readonly kind: 'error'
  /** The subscription that it concerns; undefined = none. */
  readonly ref?: number | undefined
  /** A code of the errors table; a newer gateway may have others. */
  readonly code: string
  readonly message: string
  /** Whether the same request can succeed later. */
  readonly retry: Retry
  /** 0 = the client's own choice. */
  readonly retryAfterMs: number
}

export type ServerFrame = Welcome | Subscribed | Delivery | Live | Gap | Unsubscribed | Pong | ErrorFrame

/** What a published event is answered with: `after` is the position behind it. */
export interface Published {
  readonly after: string
  readonly stream: string
  readonly partition: number
  readonly offset: number
}
