/**
 * Every failure that a user of Carillon can meet, in one table: how HTTP and WebSocket say it, and whether the same request can succeed
 * later. What each means is said beside it, in error-meanings.ts: no page that loads the SDK needs the words. docs/errors.md is tested against both.
 *
 * `http`: status of a refused HTTP request. `close`: WebSocket close code where the connection ends, 0 where it goes on
 * and the client gets an `error` frame. Codes 3000–3499 invite a reconnect, 3500–3999 do not (RFC 6455 leaves 3000–3999
 * to frameworks); the 1xxx codes are RFC 6455's own. `retry`: `no` = the request is wrong and stays wrong, `later` = the
 * same request can succeed after `retryAfterMs`.
 */
export interface ErrorRow {
  readonly http: number
  readonly close: number
  readonly retry: 'no' | 'later'
}

const row = (http: number, retry: ErrorRow['retry'] = 'no', close = 0): ErrorRow => ({ http, close, retry })

export const errors = {
  bad_frame: row(400),
  bad_request: row(400),
  bad_subject: row(400),
  bad_ref: row(400),
  bad_token: row(400),
  bad_event: row(400),
  no_route: row(404),
  not_found: row(404),
  method_not_allowed: row(405),
  unsupported_media_type: row(415),
  unsupported_subprotocol: row(400),
  origin_refused: row(403),
  publish_closed: row(403),
  publish_forbidden: row(403),
  event_too_large: row(413),
  frame_too_large: row(413, 'no', 1009),
  too_many_subscriptions: row(400),
  too_many_errors: row(400, 'no', 3500),
  stream_missing: row(503, 'later'),
  stream_unusable: row(503, 'later'),
  broker_unavailable: row(503, 'later'),
  request_timeout: row(408, 'later'),
  listen_failed: row(500),
  storage_full: row(507, 'later'),
  storage_locked: row(500),
  overloaded: row(503, 'later', 3000),
  shutting_down: row(503, 'later', 1012),
  internal: row(500, 'later', 1011),
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof errors

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

/** The error as it is shown to a client: ours as they are, anything else as `internal` without its text. */
export function toCarillonError(error: unknown): CarillonError {
  if (error instanceof CarillonError) return error
  return new CarillonError('internal', 'the gateway failed on this request; its log has the cause', { cause: error })
}
