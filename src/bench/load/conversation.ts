/**
 * What a client says on its connection, and what it makes of the answers. The generator (`Crowd`) holds sockets, counts and times; a
 * conversation knows one server's way of talking. Another server is measured by another conversation: see target.ts.
 */
export interface Conversation {
  /** The connection is open: send the request. */
  begin(): void
  /** Bytes came. They are overwritten afterwards. What it throws ends the connection, with the error as the reason. */
  take(bytes: Buffer): void
}

/** What a conversation tells the client that has it. */
export interface Listener {
  readonly subject: string
  /** For the Host header. */
  readonly authority: string
  /** Where its subscription goes on: what `position` was told last; '' at first. */
  readonly token: string
  send(bytes: Uint8Array | string): void
  /** The subscription is in force, and all that was missed has come: every event from now on must come as well. */
  live(): void
  /** An event: the time when it was due and its number among its subject's, as the payload has them. */
  event(dueUs: number, number: number): void
  /** The token of all that has come, bytes [start, end), at most 64. */
  position(bytes: Uint8Array, start: number, end: number): void
  /** The server says that something is missing. */
  gap(): void
}

export type Converse = (listener: Listener) => Conversation
