/**
 * A client's side of the protocol on one connection. `Clients` holds sockets, counts events and
 * measures latencies; a conversation implements one server's protocol. Measuring another server
 * takes another conversation: see target.ts.
 */
export interface Conversation {
  /** Sends the request. Called when the connection is open. */
  begin(): void
  /**
   * Handles received bytes, which are overwritten afterwards. An error that it throws ends the
   * connection and is the reason.
   */
  take(bytes: Buffer): void
}

/** A client's state of one subject. */
export interface Followed {
  readonly subject: string
  /** Token from which its subscription resumes: the last one passed to `position`; '' at first. */
  readonly token: string
}

/**
 * Receives a conversation's events: the client. Conversations with a single subscription use only
 * `subject` and `token`.
 */
export interface Listener extends Followed {
  /** One entry for each subscription. `subject` and `token` are those of the first. */
  readonly followed: readonly Followed[]
  /** For the Host header. */
  readonly authority: string
  send(bytes: Uint8Array | string): void
  /**
   * Called when a subscription is active and all missed events have arrived: every event from now
   * on must arrive as well.
   */
  live(): void
  /** Returns the index in `followed` of the subject of the event in bytes [start, end). */
  find(bytes: Buffer, start: number, end: number): number
  /**
   * Takes an event: its due time and its number within its subject, both from the payload; `of`
   * is the index in `followed`.
   */
  event(dueUs: number, number: number, of?: number): void
  /** Takes the token of the position after everything received, bytes [start, end), at most 64. */
  position(bytes: Uint8Array, start: number, end: number, of?: number): void
  /** Called when the server sends a gap. */
  gap(): void
}

export type Converse = (listener: Listener) => Conversation
