import type { CarillonError } from '../base/errors.ts'
import type { Grant } from '../identity/grant.ts'
import type { ClientFrame, Encoding, SubscribeOptions } from '../wire/frames.ts'

/**
 * The interface between a transport (edge/) and a session. A transport creates an Outlet and
 * opens a session with it. From then on the session calls the outlet, and the transport calls the
 * session. All calls are synchronous and on one thread.
 */

export type Transport = 'websocket' | 'sse' | 'poll'

/** The three outcomes of a write, as uWebSockets.js numbers them. */
export const writeOutcome = {
  /** Accepted, but the socket is full: no more writes until `session.drained()`. */
  full: 0,
  /** Accepted. */
  sent: 1,
  /** Not accepted: the session offers the same frame again after `session.drained()`. */
  refused: 2,
} as const
export type WriteOutcome = (typeof writeOutcome)[keyof typeof writeOutcome]

/** `brief`: the shortest form, for a token that goes with each event. */
export type TokenForm = 'full' | 'brief'

/**
 * `delivery`: an event. `turn`: an event at which its reader may have entered another history of
 * the log. `control`: every other frame (subscribed, live, gap, pong, error).
 */
export type FrameKind = 'delivery' | 'turn' | 'control'

/** The position of a client. */
export interface PositionSource {
  /**
   * Returns the positions after everything written to its socket, as one token; in full form by
   * default.
   */
  token(form?: TokenForm): string
}

export interface Outlet {
  readonly transport: Transport
  /** The client's address, for operators; '' once it is gone. */
  readonly peer: string
  /** Encoding of its frames. Poll collects JSON frames. */
  readonly encoding: Encoding
  /**
   * Writes one encoded frame. `after` is the client's position once it has the frame; valid
   * during the call.
   */
  write(frame: Uint8Array, kind: FrameKind, after: PositionSource): WriteOutcome
  /** Calls `run`, which makes several writes: one system call if the transport supports it. */
  batch(run: () => void): void
  /**
   * Reports that the start position of an SSE or poll session is known: it is `session.token()`.
   * Called once, before any write.
   */
  opened(): void
  /**
   * SSE and poll: reports that everything missed is written. Called once, when all readers have
   * reached their heads.
   */
  caughtUp(): void
  /**
   * Ends the connection; undefined = normally. The transport reports the error in its own way
   * (close code, `retry:`, or HTTP status if nothing was answered yet). It calls
   * `session.closed()` when the socket is gone, possibly within this call.
   */
  end(error: CarillonError | undefined): void
}

export interface Session extends PositionSource {
  readonly id: number
  /** Whether it has, or has had, a subscription. */
  readonly subscribed: boolean
  /** Handles a decoded frame of a WebSocket client. An error frame answers an invalid one. */
  receive(frame: ClientFrame): void
  /**
   * Handles a frame that the transport could not decode: answers with an error frame, or ends the
   * session if `errors` says so.
   */
  refuse(error: CarillonError): void
  /**
   * SSE and poll: subscribes to all `subjects` from `after` (tokens, `earliest`, `latest`,
   * `@time`; none = latest). Throws a CarillonError at once if the request is wrong. If the
   * broker is needed, `outlet.opened()` or `outlet.end(error)` answers later.
   */
  start(subjects: readonly string[], after: readonly string[], options?: SubscribeOptions): void
  /** Reports that the socket accepts bytes again. */
  drained(): void
  /**
   * Ends the session for a reason of the transport; undefined = normally. `outlet.end` follows
   * within this call.
   */
  end(error: CarillonError | undefined): void
  /**
   * Reports that the socket is gone: the client `closed` it properly, it was `lost`, or it was
   * `answered` (a poll). No call to the outlet follows.
   */
  closed(reason?: 'client' | 'lost' | 'answered'): void
}

export interface SessionOpener {
  /**
   * Opens a session. `grant` is what its client may do. Throws `overloaded` at the limit of
   * sessions and `shutting_down` while draining. A WebSocket session starts with `welcome`.
   */
  open(outlet: Outlet, grant: Grant): Session
}
