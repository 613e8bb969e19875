/** Why something waits or is closed. */
export interface Reason {
  /**
   * A code of the gateway's (docs/errors.md), `http_404` and the like from a proxy, or one of the SDK's own: `lost` (the
   * connection broke without a word), `offline`, `hidden`, `idle` (nothing is subscribed), `slow` (its consumer), `handler` (which
   * threw), `done` (the caller closed it).
   */
  readonly code: string
  readonly message: string
}

/**
 * A client's state, or one of its subscriptions'. `live`: everything missed has been told. `waiting`: `retryMs` until it tries
 * again by itself, undefined where something else has to happen first. `closed` is final.
 */
export type State =
  | { readonly name: 'connecting'; readonly url: string; readonly transport: string }
  | { readonly name: 'catching-up' }
  | { readonly name: 'live' }
  | { readonly name: 'waiting'; readonly reason: Reason; readonly retryMs: number | undefined }
  | { readonly name: 'closed'; readonly reason: Reason }

export const closed = (code: string, message: string): State => ({ name: 'closed', reason: { code, message } })

export const waiting = (code: string, message: string, retryMs?: number): State => {
  return { name: 'waiting', reason: { code, message }, retryMs }
}

/** Whether it is worth telling: the same name and reason again is not, but for how long it waits. */
export function isSameState(a: State, b: State): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
