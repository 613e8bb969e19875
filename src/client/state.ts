/** Why a subscription or client waits or is closed. */
export interface Reason {
  /**
   * A gateway's code (docs/errors.md), `http_404` and the like from a proxy, or one of the SDK's:
   * `lost` (the connection broke or could not be opened), `offline`, `hidden`, `idle` (no
   * subscriptions), `slow` (the consumer), `handler` or `store` (it threw), `done` (the caller
   * closed it).
   */
  readonly code: string
  readonly message: string
}

/**
 * The state of a client or a subscription. `live`: all missed events have arrived; for a
 * subscription, they have been handled. `waiting`: `retryMs` is the time until the next attempt,
 * undefined if something else has to happen first. `closed` is final.
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

/** Whether two states are equal in all fields, so that the second one is not reported. */
export function isSameState(a: State, b: State): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}
