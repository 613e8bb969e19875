import type { Timing } from '../base/clock.ts'
import type { Retry } from '../base/errors.ts'
import type { ServerFrame, SubscribeOptions } from '../wire/frames.ts'

/** One subject or pattern to follow, from where and how. `last` never stands beside `after`. */
export interface SubscribeRequest extends SubscribeOptions {
  /** > 0, the caller's choice. */
  readonly ref: number
  readonly subject: string
  /** Tokens, `earliest`, `latest` or `@time`; none = latest. */
  readonly after: readonly string[]
}

/** What a connection tells, each synchronously; `closed` comes once and last. None of them may throw. */
export interface Handlers {
  /** Deliveries, gaps, live, errors … as the gateway sent them. SSE and poll deliveries have no refs. */
  frame(frame: ServerFrame): void
  /** SSE and poll: the position of all subjects together, behind what was told so far. */
  position(token: string): void
  /** By a gateway's refusal, or as `lost`. */
  closed(refused: Refusal): void
}

/** Why it ended. */
export interface Refusal {
  /** From the errors table, where a newer gateway may have others; or one of the SDK's own, see `Reason`. */
  readonly code: string
  readonly message: string
  /** Ask again no earlier, ms; 0 = the client's own choice. */
  readonly retryAfterMs: number
  /** Whether the same request can succeed later. */
  readonly retry: Retry
  /** Nobody said it: what came could not be read. The next connection may bring something else. */
  readonly unreadable?: true
  /** Who says it is there, and waits as well: there is no better way for now. */
  readonly waits?: boolean
}

export interface Connection {
  /** Adds a wish, of a ref not in use. Only where each wish has a position of its own. */
  subscribe?(wish: SubscribeRequest): void
  /** Until the gateway has heard it, more may be told for the ref. */
  unsubscribe?(ref: number): void
  /** Asks for a sign of life: told as lost where none comes. Only where each wish has a position of its own. */
  check?(): void
  /** Nothing is told after it. */
  close(): void
}

/**
 * Opens one connection to `gateway` (`http://127.0.0.1:8080`), and tells nothing before it has returned. SSE and poll have one
 * `after`, `last` and `policy` for all wishes: the first one's. A connection that goes silent is closed, and told as lost.
 */
export type Open = (
  gateway: string,
  wishes: readonly SubscribeRequest[],
  handlers: Handlers,
  clock: Timing,
) => Connection

/** A way of speaking with a gateway. */
export interface Transport {
  /** As states name it. */
  readonly name: string
  /** Each wish has its own position, and wishes come and go on a connection; else all share one, and a change opens another. */
  readonly separate: boolean
  /** Attempts in a row that bring nothing, until the next transport is tried; as many as `Candidates` says unless given. */
  readonly attempts?: number
  readonly open: Open
}
