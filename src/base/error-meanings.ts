import type { ErrorCode } from './errors.ts'

/** What each failure means, for people. */
export const errorMeanings: Readonly<Record<ErrorCode, string>> = {
  bad_frame: 'a frame that is not valid JSON or protobuf, or not a frame of this protocol',
  bad_request: 'a request whose parameters or body are not of the documented form',
  bad_subject: 'a subject or pattern that breaks the subject rules',
  bad_ref: 'a ref that is 0, already in use, or not of this session',
  bad_token: 'a position token that is damaged, of another version, or not a token',
  bad_event: 'an event that breaks the event rules',
  no_route: 'no route covers the subject',
  not_found: 'no such path',
  method_not_allowed: 'the path exists, the method does not',
  unsupported_media_type: 'a body that is neither JSON, protobuf nor a CloudEvent',
  unsupported_subprotocol: 'none of the WebSocket subprotocols asked for is spoken here',
  origin_refused: "the page's origin is not allowed",
  publish_closed: 'publishing over HTTP is closed on this listener',
  publish_forbidden: 'the broker does not let this gateway write',
  event_too_large: 'an event over the size limit',
  frame_too_large: 'a frame or body over the size limit',
  too_many_subscriptions: 'more subscriptions than a session may have',
  too_many_errors: 'a client that goes on sending frames that are refused',
  stream_missing: "the route's stream does not exist on the broker yet",
  stream_unusable:
    "the route's stream is set up on the broker in a way that cannot be used, or the broker refuses its use for good",
  broker_unavailable: 'the broker cannot be reached or refused the request',
  request_timeout: 'a body, or the first subscription of a WebSocket, that did not arrive in time',
  listen_failed: 'the listener cannot be opened: its port is taken, or its TLS files are of no use',
  storage_full: 'the log cannot store more: its disk or its limit is full',
  storage_locked: 'the embedded log is open in another process',
  overloaded: 'the gateway is at one of its limits',
  shutting_down: 'the gateway is going away; reconnect, here or elsewhere',
  internal: 'a fault of the gateway itself',
}
