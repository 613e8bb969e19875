/**
 * Every failure that a user of Carillon can meet: whether the same request can succeed later, and how HTTP and WebSocket
 * say it. What each means is said beside it, in error-meanings.ts: no page that loads the SDK needs the words. docs/errors.md is tested
 * against both.
 *
 * `http`: status of a refused HTTP request. `close`: WebSocket close code where the connection ends, 0 where it goes on
 * and the client gets an `error` frame. Codes 3000–3499 invite a reconnect, 3500–3999 do not (RFC 6455 leaves 3000–3999
 * to frameworks); the 1xxx codes are RFC 6455's own. `retry`: `no` = the request is wrong and stays wrong, `later` = the
 * same request can succeed after `retryAfterMs`.
 */
export interface ErrorRow {
  readonly http: number
  readonly close: number
  readonly retry: Retry
}

export type Retry = 'no' | 'later'

/** The request is wrong and stays wrong: `retry` is `no`. */
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

// Pure: whoever bundles the SDK leaves it out.
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

/** A failure from the table; `message` says what was expected, what came and what to do. */
export class CarillonError extends Error {
  readonly code: ErrorCode
  /** How long to wait before trying again, ms; 0 = the client's own choice. */
  readonly retryAfterMs: number

  constructor(code: ErrorCode, message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, options)
    this.name = 'CarillonError'
    this.code = code
    this.retryAfterMs = options.retryAfterMs ?? 0
  }
}

/** All that is said of a fault of ours. */
export const internalText = 'the gateway failed on this request; its log has the cause'

/** Ours as they are, anything else as `internal` without its text. What clients are told: client-error.ts. */
export function toCarillonError(error: unknown): CarillonError {
  if (error instanceof CarillonError) return error
  return new CarillonError('internal', internalText, { cause: error })
}
