/**
 * All failures that a user of Carillon can meet: whether the same request can succeed later, and
 * the HTTP status and WebSocket close code. Their meanings are in error-meanings.ts, separately,
 * because pages that load the SDK don't need the text. Tests compare docs/errors.md with both.
 *
 * `http`: status of a refused HTTP request. `close`: WebSocket close code if the connection ends;
 * 0 if it stays open and the client gets an `error` frame. Codes 3000–3499 invite a reconnect,
 * 3500–3999 do not (RFC 6455 reserves 3000–3999 for libraries, frameworks and applications); the
 * 1xxx codes are RFC 6455's. `retry`: `no` = the request will never succeed, `later` = the same
 * request can succeed after `retryAfterMs`.
 */
export interface ErrorRow {
  readonly http: number
  readonly close: number
  readonly retry: Retry
}

export type Retry = 'no' | 'later'

/** Codes of requests that will never succeed: `retry` is `no`. */
const lasting = [
  'bad_frame',
  'bad_request',
  'bad_subject',
  'bad_ref',
  'bad_token',
  'bad_event',
  'no_route',
  'not_found',
  'method_not_allowed',
  'unsupported_media_type',
  'unsupported_subprotocol',
  'origin_refused',
  'publish_closed',
  'publish_forbidden',
  'event_too_large',
  'frame_too_large',
  'too_many_subscriptions',
  'too_many_errors',
  'listen_failed',
  'storage_locked',
] as const

export type ErrorCode =
  | (typeof lasting)[number]
  | 'stream_missing'
  | 'stream_unusable'
  | 'broker_unavailable'
  | 'request_timeout'
  | 'storage_full'
  | 'overloaded'
  | 'shutting_down'
  | 'internal'

/** Status and close code. */
type Answer = readonly [http: number, close?: number]

// Marked pure, so that bundlers of the SDK can drop it.
export const errors = /* @__PURE__ */ table({
  bad_frame: [400],
  bad_request: [400],
  bad_subject: [400],
  bad_ref: [400],
  bad_token: [400],
  bad_event: [400],
  no_route: [404],
  not_found: [404],
  method_not_allowed: [405],
  unsupported_media_type: [415],
  unsupported_subprotocol: [400],
  origin_refused: [403],
  publish_closed: [403],
  publish_forbidden: [403],
  event_too_large: [413],
  frame_too_large: [413, 1009],
  too_many_subscriptions: [400],
  too_many_errors: [400, 3500],
  stream_missing: [503],
  stream_unusable: [503],
  broker_unavailable: [503],
  request_timeout: [408, 3000],
  listen_failed: [500],
  storage_full: [507],
  storage_locked: [500],
  overloaded: [503, 3000],
  shutting_down: [503, 1012],
  internal: [500, 1011],
})

function table(answers: Readonly<Record<ErrorCode, Answer>>): Readonly<Record<ErrorCode, ErrorRow>> {
  const rows = Object.entries(answers).map(([code, [http, close = 0]]) => {
    return [code, { http, close, retry: lasting.some((each) => each === code) ? 'no' : 'later' }]
  })
  return Object.fromEntries(rows)
}

/**
 * A failure from the table. `message` says what was expected, what was received, and what to do.
 */
export class CarillonError extends Error {
  readonly code: ErrorCode
  /** Delay before a retry, ms; 0 = the client chooses. */
  readonly retryAfterMs: number

  constructor(code: ErrorCode, message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, options)
    this.name = 'CarillonError'
    this.code = code
    this.retryAfterMs = options.retryAfterMs ?? 0
  }
}

/** The only message of an internal fault. */
export const internalText = 'the gateway failed on this request; its log has the cause'

/**
 * Returns a CarillonError unchanged, and any other error as `internal` without its message. See
 * client-error.ts for the messages that clients get.
 */
export function toCarillonError(error: unknown): CarillonError {
  if (error instanceof CarillonError) return error
  return new CarillonError('internal', internalText, { cause: error })
}
