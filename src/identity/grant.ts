/**
 * What a client may do. It is asked before anything else is said of a subject, so that who may not have one does not learn whether it is
 * there. Each check throws the CarillonError that the client is answered with.
 */
export interface Grant {
  checkSubscribe(subject: string): void
  checkPublish(subject: string): void
}

/** Who a client is, as far as its request says so. */
export interface Credentials {
  /** By its lower-case name; empty where the request has none. */
  getHeader(name: string): string
}

/** Throws the CarillonError that refuses the request. */
export type Identify = (credentials: Credentials) => Grant

/** Nobody is refused anything. */
export const allowAll: Grant = {
  checkSubscribe() {},
  checkPublish() {},
}
