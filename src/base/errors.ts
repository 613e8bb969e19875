/**
 * Every failure that a user of Carillon can meet, in one table: what it means, how HTTP and WebSocket say it, and
 * whether the same request can succeed later. docs/errors.md is tested against it.
 *
 * `http`: status of a refused HTTP request. `close`: WebSocket close code where the connection ends, 0 where it goes on
 * and the client gets an `error` frame. Codes 3000–3499 invite a reconnect, 3500–3999 do not (RFC 6455 leaves 3000–3999
 * to frameworks); the 1xxx codes are RFC 6455's own. `retry`: `no` = the request is wrong and stays wrong, `later` = the
 * same request can succeed after `retryAfterMs`.
 */
export interface ErrorRow {
  readonly meaning: string
  readonly http: number
  readonly close: number
  readonly retry: 'no' | 'later'
}

const row = (meaning: string, http: number, close: number, retry: ErrorRow['retry']): ErrorRow => ({
  meaning,
  http,
  close,
  retry,
})

export const errors = {
  bad_frame: row('a frame that is not valid JSON or protobuf, or not a frame of this protocol', 400, 0, 'no'),
  bad_request: row('a request whose parameters or body are not of the documented form', 400, 0, 'no'),
  bad_subject: row('a subject or pattern that breaks the subject rules', 400, 0, 'no'),
  bad_ref: row('a ref that is 0, already in use, or not of this session', 400, 0, 'no'),
  bad_token: row('a position token that is damaged or not a token', 400, 0, 'no'),
  bad_event: row('an event that breaks the event rules', 400, 0, 'no'),
  no_route: row('no route covers the subject', 404, 0, 'no'),
  not_found: row('no such path', 404, 0, 'no'),
  method_not_allowed: row('the path exists, the method does not', 405, 0, 'no'),
  unsupported_media_type: row('a body that is neither JSON nor protobuf', 415, 0, 'no'),
  unsupported_subprotocol: row('none of the WebSocket subprotocols asked for is spoken here', 400, 0, 'no'),
  origin_refused: row("the page's origin is not allowed", 403, 0, 'no'),
  publish_closed: row('publishing over HTTP is closed on this listener', 403, 0, 'no'),
  publish_forbidden: row('the broker does not let this gateway write', 403, 0, 'no'),
  event_too_large: row('an event over the size limit', 413, 0, 'no'),
  frame_too_large: row('a frame or body over the size limit', 413, 1009, 'no'),
  too_many_subscriptions: row('more subscriptions than a session may have', 400, 0, 'no'),
  too_many_errors: row('a client that goes on sending frames that are refused', 400, 3500, 'no'),
  stream_missing: row("the route's stream does not exist on the broker yet", 503, 0, 'later'),
  stream_unusable: row("the route's stream is set up on the broker in a way that cannot be used", 503, 0, 'later'),
  broker_unavailable: row('the broker cannot be reached or refused the request', 503, 0, 'later'),
  request_timeout: row('a body that did not arrive in time', 408, 0, 'later'),
  listen_failed: row('the listener cannot be opened: its port is taken, or its TLS files are of no use', 500, 0, 'no'),
  storage_full: row('the log cannot store more: its disk or its limit is full', 507, 0, 'later'),
  storage_locked: row('the embedded log is open in another process', 500, 0, 'no'),
  overloaded: row('the gateway is at one of its limits', 503, 3000, 'later'),
  shutting_down: row('the gateway is going away; reconnect, here or elsewhere', 503, 1012, 'later'),
  internal: row('a fault of the gateway itself', 500, 1011, 'later'),
} as const satisfies Record<string, ErrorRow>

export type ErrorCode = keyof typeof errors

/** A failure from the table; `message` says what was expected, what came and what to do. */
export class CarillonError extends Error {
  readonly code: ErrorCode
  /** How long to wait before trying again, ms; 0 = the client's own choice. */
  readonly retryAfterMs: number

  constructor(code: ErrorCode, message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
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
