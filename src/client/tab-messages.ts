import type { ServerFrame } from '../wire/frames.ts'
import type { Refusal, SubscribeRequest } from './connection.ts'

/**
 * Messages between the tabs of a browser and their worker. Each receives all, and takes its own.
 */

/** To the leader. */
export interface ToLeader {
  readonly kind: 'to-host'
  readonly by?: undefined
  /** ID of the follower. */
  readonly from: string
  readonly asks: /** Opens a connection. All other kinds need an open one. */
    | { readonly kind: 'open' }
    /** The follower is alive and has taken all frames up to now. */
    | { readonly kind: 'taken' }
    /** As `taken`. Also requests the positions of its subscriptions. */
    | { readonly kind: 'alive' }
    /**
     * As `alive`. Its page is visible again or the network has changed, so that the leader also
     * checks its own connection.
     */
    | { readonly kind: 'check' }
    | { readonly kind: 'bye' }
    | { readonly kind: 'subscribe'; readonly wish: SubscribeRequest }
    | { readonly kind: 'unsubscribe'; readonly ref: number }
}

/**
 * To a follower. The answer to `open`, `alive` and `check` is a pong, after the positions that
 * have moved since.
 */
export interface ToFollower {
  readonly kind: 'to-guest'
  readonly to: string
  /** undefined: the leader does not serve this follower, or not any more. */
  readonly frame: ServerFrame | undefined
}

/** The leader has a connection now. */
export interface Leading {
  readonly kind: 'hosting'
}

/** The leader has no connection, or gives up leading. */
export interface NotLeading {
  readonly kind: 'not-hosting'
  readonly refused: Refusal
}

/** `by`: the leader. There are two of them until one has noticed that its lock was taken. */
export type FromLeader = (ToFollower | Leading | NotLeading) & { readonly by: string }

export type TabMessage = ToLeader | FromLeader
