import { CarillonError, type ErrorCode } from './errors.ts'

/** A limit that refuses clients, or ends their connection or session. */
interface Limit {
  /** What is refused or ended, as text for people. */
  readonly refuses: string
  /** The configuration's option, or else what sets the limit; '' = fixed. */
  readonly option: string
}

/**
 * All limits on clients, in the order in which a client meets them. Tests compare
 * docs/operations.md with this table.
 */
export const limits = {
  openFiles: {
    refuses: 'times that the gateway stopped accepting connections for lack of descriptors',
    option: 'LimitNOFILE',
  },
  maxHttpConnections: { refuses: 'connections, closed without an answer', option: 'limits.maxHttpConnections' },
  maxCutsPerSecond: {
    refuses: 'connections that had to wait because too many of their address were cut',
    option: 'limits.maxCutsPerSecond',
  },
  maxSessions: { refuses: 'sessions', option: 'limits.maxSessions' },
  maxBodies: { refuses: 'request bodies, because too many were being read', option: 'limits.maxBodies' },
  maxBodyBytes: { refuses: 'request bodies that are too large', option: 'limits.maxBodyBytes' },
  bodyMs: { refuses: 'request bodies that did not arrive in time', option: 'limits.bodyMs' },
  maxPublishes: {
    refuses: 'publish requests, because too many were waiting for the broker',
    option: 'limits.maxPublishes',
  },
  maxPublishEvents: { refuses: 'publish requests with too many events', option: 'limits.maxPublishEvents' },
  maxEventBytes: { refuses: 'events that are too large', option: 'limits.maxEventBytes' },
  publishQueue: { refuses: 'publish requests, because too many bytes were waiting for the broker', option: '' },
  maxFrameBytes: { refuses: 'WebSockets that sent a message that is too large', option: 'limits.maxFrameBytes' },
  maxWaitingFrameBytes: {
    refuses: 'WebSockets that send faster than their frames are handled',
    option: 'limits.maxWaitingFrameBytes',
  },
  maxSubscriptions: { refuses: 'subscriptions', option: 'limits.maxSubscriptions' },
  maxTotalSubscriptions: {
    refuses: 'subscriptions, because all sessions together have too many',
    option: 'limits.maxTotalSubscriptions',
  },
  maxTotalPatterns: {
    refuses: 'patterns, because all sessions together have too many',
    option: 'limits.maxTotalPatterns',
  },
  maxSessionBytes: {
    refuses: 'subscriptions and answers that do not fit into the memory of their session',
    option: 'limits.maxSessionBytes',
  },
  maxTotalSessionMiB: {
    refuses: 'sessions and subscriptions, because all sessions together take too much memory',
    option: 'limits.maxTotalSessionMiB',
  },
  tokenPartitions: { refuses: 'SSE streams and polls over too many partitions', option: '' },
  refusedFrames: { refuses: 'sessions that sent too many invalid frames', option: '' },
  waitingFrames: { refuses: 'sessions that request more than they read', option: '' },
  stalled: { refuses: 'WebSockets and SSE streams that read nothing', option: 'heartbeatMs' },
  unsubscribed: { refuses: 'WebSockets that never subscribed', option: 'heartbeatMs' },
  adminConnections: { refuses: 'connections to the admin listener, closed for newer ones', option: '' },
  adminRequestMs: { refuses: 'requests to the admin listener that did not arrive in time', option: '' },
} as const satisfies Readonly<Record<string, Limit>>

export type LimitName = keyof typeof limits

export const limitNames = Object.keys(limits) as LimitName[]

/** A refusal by a limit. */
export class LimitReached extends CarillonError {
  readonly limit: LimitName

  constructor(limit: LimitName, code: ErrorCode, message: string, options?: { retryAfterMs?: number }) {
    super(code, message, options)
    this.limit = limit
  }
}

/** A client that a limit refused, and the time. */
export interface Refusal {
  /** The client's address; '' if no longer known. */
  readonly who: string
  /** Unix µs. */
  readonly atUs: number
}

interface Refused {
  count: number
  last: Refusal | undefined
}

/** Counts refusals by limit since the start. */
export class Refusals {
  readonly #refused = Object.fromEntries(limitNames.map((name) => [name, { count: 0, last: undefined }])) as Record<
    LimitName,
    Refused
  >
  /** Errors counted already: an error passes through several callers and counts once. */
  readonly #counted = new WeakSet<CarillonError>()

  count(limit: LimitName, refusal: Refusal): void {
    const refused = this.#refused[limit]
    refused.count++
    refused.last = refusal
  }

  /** Counts the error if it comes from a limit. */
  note(error: CarillonError, refusal: Refusal): void {
    if (!(error instanceof LimitReached) || this.#counted.has(error)) return
    this.#counted.add(error)
    this.count(error.limit, refusal)
  }

  counts(): Record<LimitName, number> {
    return Object.fromEntries(limitNames.map((name) => [name, this.#refused[name].count])) as Record<LimitName, number>
  }

  /** Returns a row per limit for the admin API. */
  rows(): LimitRow[] {
    return limitNames.map((name) => {
      const { count, last } = this.#refused[name]
      const when = last === undefined ? {} : { lastMs: Math.floor(last.atUs / 1000), last: last.who }
      return { limit: name, ...limits[name], count, ...when }
    })
  }
}

export interface LimitRow extends Limit {
  readonly limit: LimitName
  readonly count: number
  /** Time of the last refusal, Unix ms; absent = none. */
  readonly lastMs?: number
  /** Address of the client refused last. */
  readonly last?: string
}
