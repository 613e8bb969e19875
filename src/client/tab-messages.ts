import type { ServerFrame } from '../wire/frames.ts'
import type { Refusal, SubscribeRequest } from './connection.ts'

/** What the tabs of a browser, and their worker, say to each other. All hear everything: each takes what is for it. */

/** To the tab that holds the connection. */
export interface ToLeader {
  readonly kind: 'to-host'
  readonly by?: undefined
  /** The tab that asks. */
  readonly from: string
  readonly asks: /** It wants to be served; all else is for those that are. */
    | { readonly kind: 'open' }
    /** It is there, and has taken everything so far. */
    | { readonly kind: 'taken' }
    /** The same, and it wants to hear where its subscriptions stand. */
    | { readonly kind: 'alive' }
    /** The same, and its page is seen again or the network has changed: the connection is to be asked for a sign of life, too. */
    | { readonly kind: 'check' }
    | { readonly kind: 'bye' }
    | { readonly kind: 'subscribe'; readonly wish: SubscribeRequest }
    | { readonly kind: 'unsubscribe'; readonly ref: number }
}

/** To a tab that asked. The answer to `open`, `alive` and `check` is a pong, behind the positions that have moved since. */
export interface ToFollower {
  readonly kind: 'to-guest'
  readonly to: string
  /** undefined: it is not served, or not any more. */
  readonly frame: ServerFrame | undefined
}

/** The tab that posts it has a connection now. */
export interface Leading {
  readonly kind: 'hosting'
}

/** It has none any more, or none yet. */
export interface NotLeading {
  readonly kind: 'not-hosting'
  readonly refused: Refusal
}

/** `by`: who holds the connection, for there are two of them until one has heard that its lock was taken. */
export type FromLeader = (ToFollower | Leading | NotLeading) & { readonly by: string }

export type TabMessage = ToLeader | FromLeader
