/**
 * Permissions of a client. They are checked before anything else about a subject, so that a
 * client without permission can't learn whether it exists. Each check throws the CarillonError to
 * send to the client.
 */
export interface Grant {
  checkSubscribe(subject: string): void
  checkPublish(subject: string): void
}

/** Identifying data of a client's request. */
export interface Credentials {
  /** Returns a header by its lower-case name; empty if absent. */
  getHeader(name: string): string
}

/** Identifies a client. Throws the CarillonError that refuses the request. */
export type Identify = (credentials: Credentials) => Grant

/** Allows everything. */
export const allowAll: Grant = {
  checkSubscribe() {},
  checkPublish() {},
}
