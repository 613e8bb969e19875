import type { ErrorCode } from './errors.ts'

/** What each failure means, for people. */
export const errorMeanings: Readonly<Record<ErrorCode, string>> = {
  bad_frame: 'the frame is not valid JSON or protobuf, or not a frame of this protocol',
  bad_request: 'the parameters or the body do not have the documented form',
  bad_subject: 'the subject or pattern breaks the rules for subjects',
  bad_ref: 'the ref is 0, already in use, or not a ref of this session',
  bad_token: 'the position token is damaged, of another version, or not a token',
  bad_event: 'the event breaks the rules for events',
  no_route: 'no route matches the subject',
  not_found: 'the path does not exist',
  method_not_allowed: 'the path exists, but not with this method',
  unsupported_media_type: 'the body is neither JSON, protobuf nor a CloudEvent',
  unsupported_subprotocol: 'the gateway supports none of the requested WebSocket subprotocols',
  origin_refused: "the page's origin is not allowed",
  publish_closed: 'publishing over HTTP is closed on this listener',
  publish_forbidden: 'the broker does not allow this gateway to write',
  event_too_large: 'the event exceeds the size limit',
  frame_too_large: 'the frame or body exceeds the size limit',
  too_many_subscriptions: 'the session already has the maximum number of subscriptions',
  too_many_errors: 'the client keeps sending frames that are refused',
  stream_missing: "the route's stream does not exist on the broker yet",
  stream_unusable:
    "the route's stream has settings on the broker that Carillon cannot use, or the broker refuses its use permanently",
  broker_unavailable: 'the broker cannot be reached, or refused the request',
  request_timeout: 'a body, or the first subscription of a WebSocket, did not arrive in time',
  listen_failed: 'the listener cannot be opened: its port is taken, or its TLS files are unusable',
  storage_full: 'the log cannot store more: its disk is full, or its size limit is reached',
  storage_locked: 'another process has the embedded log open',
  overloaded: 'the gateway is at one of its limits',
  shutting_down: 'the gateway is shutting down; reconnect, to any gateway',
  internal: 'an internal error of the gateway',
}
