/**
 * What a client says on its connection, and what it makes of the answers. `Clients` holds sockets, counts and times; a
 * conversation knows one server's way of talking. Another server is measured by another conversation: see target.ts.
 */
export interface Conversation {
  /** The connection is open: send the request. */
  begin(): void
  /** Bytes came. They are overwritten afterwards. What it throws ends the connection, with the error as the reason. */
  take(bytes: Buffer): void
}

/** One subject as a client has it. */
export interface Followed {
  readonly subject: string
  /** Where its subscription goes on: what `position` was told last; '' at first. */
  readonly token: string
}

/** What a conversation tells the client that has it. Conversations that know one subscription only take `subject` and `token`. */
export interface Listener extends Followed {
  /** A subscription each; the first one is `subject` and `token`. */
  readonly followed: readonly Followed[]
  /** For the Host header. */
  readonly authority: string
  send(bytes: Uint8Array | string): void
  /** A subscription is in force, and all that was missed has come: every event from now on must come as well. */
  live(): void
  /** Which of those followed the event in bytes [start, end) is of. */
  find(bytes: Buffer, start: number, end: number): number
  /** An event: the time when it was due and its number among its subject's, as the payload has them; `of` counts in `followed`. */
  event(dueUs: number, number: number, of?: number): void
  /** The token of all that has come, bytes [start, end), at most 64. */
  position(bytes: Uint8Array, start: number, end: number, of?: number): void
  /** The server says that something is missing. */
  gap(): void
}

export type Converse = (listener: Listener) => Conversation
