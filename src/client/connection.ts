import type { Timing } from '../base/clock.ts'
import type { Retry } from '../base/errors.ts'
import type { ServerFrame, SubscribeOptions } from '../wire/frames.ts'

/**
 * One subject or pattern to follow, its start and its policy. `last` and `after` exclude each
 * other.
 */
export interface SubscribeRequest extends SubscribeOptions {
  /** > 0, chosen by the caller. */
  readonly ref: number
  readonly subject: string
  /** Tokens, `earliest`, `latest` or `@time`; empty = latest. */
  readonly after: readonly string[]
}

/**
 * Callbacks of a connection. It calls them synchronously, and `closed` once as the last one. None
 * of them may throw.
 */
export interface Handlers {
  /**
   * A delivery, gap, live, error … as the gateway sent it. SSE and poll deliveries have no refs.
   */
  frame(frame: ServerFrame): void
  /** SSE and poll: the common position of all subjects after the frames received before it. */
  position(token: string): void
  /** The end: a gateway's refusal, or `lost`. */
  closed(refused: Refusal): void
}

/** Why a connection or a subscription ended. */
export interface Refusal {
  /**
   * A code of the errors table, to which a newer gateway may have added others, or one of the
   * SDK's own codes, see `Reason`.
   */
  readonly code: string
  readonly message: string
  /** Least time before the next request, ms; 0 = the client's own choice. */
  readonly retryAfterMs: number
  /** Whether the same request can succeed later. */
  readonly retry: Retry
  /** The input could not be read. The next connection may deliver something readable. */
  readonly unreadable?: true
  /** The leader tab is reachable and waits as well, so no other transport helps for now. */
  readonly waits?: boolean
}

export interface Connection {
  /** Adds a request with an unused ref. Only where each subscription has its own position. */
  subscribe?(request: SubscribeRequest): void
  /**
   * Ends the request of a ref. More frames for the ref may arrive until the gateway has handled
   * it.
   */
  unsubscribe?(ref: number): void
  /**
   * Requests a sign of life, and reports the connection as lost if none arrives. Only where each
   * subscription has its own position.
   */
  check?(): void
  /** Closes the connection. No callback follows. */
  close(): void
}

/**
 * Opens one connection to `gateway` (`http://127.0.0.1:8080`). No callback runs before it returns.
 * SSE and poll use the first request's `after`, `last` and `policy` for all requests. A connection
 * that goes silent is closed and reported as lost.
 */
export type Open = (
  gateway: string,
  requests: readonly SubscribeRequest[],
  handlers: Handlers,
  clock: Timing,
) => Connection

/** A transport to a gateway. */
export interface Transport {
  /** The name in states. */
  readonly name: string
  /**
   * true: each subscription has its own position, and subscriptions come and go on one connection.
   * false: all share one position, and a change needs another connection.
   */
  readonly separate: boolean
  /** Consecutive fruitless attempts before the next transport; default: that of `Candidates`. */
  readonly attempts?: number
  readonly open: Open
}
