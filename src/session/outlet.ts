import type { CarillonError } from '../base/errors.ts'
import type { Grant } from '../identity/grant.ts'
import type { ClientFrame, Encoding, SubscribeOptions } from '../wire/frames.ts'

/**
 * The seam between a transport (edge/) and a session. A transport makes an Outlet and opens a session with it; from there
 * the session calls the outlet, and the transport calls the session. All calls are synchronous and on one thread.
 */

export type Transport = 'websocket' | 'sse' | 'poll'

/** The three outcomes of a write, as uWebSockets.js numbers them. */
export const writeOutcome = {
  /** Taken, but the socket is full: nothing more until `session.drained()`. */
  full: 0,
  /** Taken. */
  sent: 1,
  /** Not taken: the same frame will be offered again after `session.drained()`. */
  refused: 2,
} as const
export type WriteOutcome = (typeof writeOutcome)[keyof typeof writeOutcome]

/** `brief`: as short as it can be made, for one that goes with each event. */
export type TokenForm = 'full' | 'brief'

/**
 * What a frame is: an event; a `turn`, which is an event at which its reader may have come into another history of the log; or one of all
 * others (subscribed, live, gap, pong, error).
 */
export type FrameKind = 'delivery' | 'turn' | 'control'

/** Where a client stands. */
export interface PositionSource {
  /** Positions of all that its socket was given, as one token; in full unless another form is given. */
  token(form?: TokenForm): string
}

export interface Outlet {
  readonly transport: Transport
  /** The client's address, for operators; '' once it is gone. */
  readonly peer: string
  /** How frames are encoded for it. Poll collects JSON frames. */
  readonly encoding: Encoding
  /** Writes one encoded frame. `after` is where the client stands once it has the frame; valid during the call. */
  write(frame: Uint8Array, kind: FrameKind, after: PositionSource): WriteOutcome
  /** Several writes follow within `run`: one system call where the transport can. */
  batch(run: () => void): void
  /** The start position of SSE and poll sessions is known: `session.token()` is it. Called once, before any write. */
  opened(): void
  /** SSE and poll: everything that was missed is written. Called once, when all readers have reached their heads. */
  caughtUp(): void
  /**
   * The session ends: undefined = normally. The transport says it in its own way (close code, `retry:`, HTTP status where
   * nothing was answered yet), and calls `session.closed()` when the socket is gone, which may be
   * within this call.
   */
  end(error: CarillonError | undefined): void
}

export interface Session extends PositionSource {
  readonly id: number
  /** It has, or has had, a subscription. */
  readonly subscribed: boolean
  /** A decoded frame of a WebSocket client; what is wrong with it is answered by an error frame. */
  receive(frame: ClientFrame): void
  /** The transport could not decode a frame: answered by an error frame, or by the end where `errors` says so. */
  refuse(error: CarillonError): void
  /**
   * SSE and poll: subscribes to all `subjects` from `after` (tokens, `earliest`, `latest`, `@time`; none = latest). Throws a CarillonError at
   * once for what is wrong with the request; what needs the broker is answered later by `outlet.opened()` or `outlet.end(error)`.
   */
  start(subjects: readonly string[], after: readonly string[], options?: SubscribeOptions): void
  /** The socket takes bytes again. */
  drained(): void
  /** Ends it for a reason that the transport has; undefined = normally. `outlet.end` follows within this call. */
  end(error: CarillonError | undefined): void
  /** The socket is gone: the client `closed` it properly, it was `lost`, or it was `answered` (a poll). No call to the outlet follows. */
  closed(reason?: 'client' | 'lost' | 'answered'): void
}

export interface SessionOpener {
  /** `grant`: what its client may do. Throws `overloaded` at the limit of sessions and `shutting_down` while draining. A WebSocket session starts with `welcome`. */
  open(outlet: Outlet, grant: Grant): Session
}
