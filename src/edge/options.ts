/** What the listener and its transports take; each limit that is reached is an outcome that the client is told of. */
export interface EdgeOptions {
  /** Address to listen on: a name or an IP address without brackets. */
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** Paths of PEM files: both or none. */
  readonly tlsCert?: string | undefined
  readonly tlsKey?: string | undefined
  /** Origins of pages that may connect besides those of the gateway's own host: `https://app.example`, or `*`. */
  readonly allowOrigin: readonly string[]
  /** Serves the try-it page on `/`, on a loopback listener only. */
  readonly dev: boolean
  /** A silent WebSocket is pinged, and an SSE stream gets a comment, at this interval. WebSocket pings take 4 s at least. */
  readonly heartbeatMs: number
  /** Largest WebSocket message from a client. */
  readonly maxFrameBytes: number
  /** Bytes that may wait in user space for a WebSocket whose kernel buffer is full, before frames are refused. */
  readonly maxBackpressureBytes: number
  /** Largest event to be published, as protobuf. */
  readonly maxEventBytes: number
  /** Largest body of a request. */
  readonly maxBodyBytes: number
  /** A body must be complete this long after its head. Below 8 s: then uWS cuts a slow one (under 16 KB a timeout) without an answer. */
  readonly bodyMs: number
  /** Requests whose body is being read: `maxBodies * maxBodyBytes` bounds the memory. */
  readonly maxBodies: number
  /** Publish requests that wait for the broker. */
  readonly maxPublishes: number
  /** Events in one publish request. */
  readonly maxPublishEvents: number
  /** Bounds of one poll answer; it holds at least one frame all the same. */
  readonly maxPollFrames: number
  readonly maxPollBytes: number
  /** Connections that are not (or not yet) WebSockets: handshakes, kept-alive HTTP, SSE and polls. Beyond, they are closed unanswered. */
  readonly maxHttpConnections: number
  /** A request's line and headers. Set once a process, by the first listener. */
  readonly maxHeaderBytes: number
}

export const edgeDefaults: EdgeOptions = {
  host: '127.0.0.1',
  port: 8080,
  allowOrigin: [],
  dev: false,
  heartbeatMs: 25_000,
  maxFrameBytes: 64 * 1024,
  maxBackpressureBytes: 64 * 1024,
  // With its key and headers it still fits into Kafka's own default of 1,048,588 bytes.
  maxEventBytes: 1_000_000,
  maxBodyBytes: 4 * 1024 * 1024,
  bodyMs: 7000,
  maxBodies: 64,
  maxPublishes: 256,
  maxPublishEvents: 1000,
  maxPollFrames: 256,
  maxPollBytes: 1024 * 1024,
  maxHttpConnections: 100_000,
  maxHeaderBytes: 16 * 1024,
}
