import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parseListen } from '../base/listen-address.ts'
import { isLoopback } from '../base/loopback.ts'
import { defaultsOf, list, onOff, optional, type Problem, setting, text, whole } from '../base/setting.ts'
import { sessionSettings } from '../session/options.ts'
import { leastFrameBytes } from '../wire/frames.ts'

/** Options of the listener and its transports. */
export interface EdgeOptions {
  /** Address to listen on: a name or an IP address without brackets. */
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** Paths of PEM files: both or none. */
  readonly tlsCert?: string | undefined
  readonly tlsKey?: string | undefined
  /**
   * Origins of pages that may connect besides those of the gateway's own host:
   * `https://app.example`, or `*`.
   */
  readonly allowOrigin: readonly string[]
  /** Serves the try-it page on `/`, on a loopback listener only. */
  readonly dev: boolean
  /**
   * Silence after which a WebSocket is pinged, and an SSE stream receives a comment, ms. WebSocket
   * pings need at least 4000.
   */
  readonly heartbeatMs: number
  /** Maximum size of a WebSocket message from a client, bytes. */
  readonly maxFrameBytes: number
  /**
   * Bytes that may wait in user space for a WebSocket whose kernel buffer is full, before frames
   * are refused.
   */
  readonly maxBackpressureBytes: number
  /**
   * Bytes of one WebSocket's frames that may wait to be handled, with the overhead of each. A
   * single frame may be larger.
   */
  readonly maxWaitingFrameBytes: number
  /** Maximum size of a published event as protobuf, bytes. */
  readonly maxEventBytes: number
  /** Maximum size of a request body, bytes. `maxSubscriptions` also bounds that of a poll. */
  readonly maxBodyBytes: number
  readonly maxSubscriptions: number
  /**
   * Time from a request's head to the end of its body, ms. Below 8 s, because uWS then cuts a slow
   * body (under 16 KB per timeout) without an answer.
   */
  readonly bodyMs: number
  /**
   * Maximum number of bodies read at the same time. `maxBodies * maxBodyBytes` bounds their
   * memory.
   */
  readonly maxBodies: number
  /** Maximum number of publish requests that wait for the broker. */
  readonly maxPublishes: number
  /** Maximum number of events in one publish request. */
  readonly maxPublishEvents: number
  /** Bounds of one poll answer. It always has room for one frame. */
  readonly maxPollFrames: number
  readonly maxPollBytes: number
  /**
   * Maximum number of connections that are not (yet) WebSockets: handshakes, kept-alive HTTP, SSE
   * and polls. Further ones are closed without an answer.
   */
  readonly maxHttpConnections: number
  /**
   * WebSockets of one address that may be cut per second for what they send. Beyond that, new
   * connections from this address are admitted at this rate.
   */
  readonly maxCutsPerSecond: number
  /**
   * Maximum size of a request line and its headers, bytes. The first listener sets it for the
   * process.
   */
  readonly maxHeaderBytes: number
}

const mib = 1 << 20

const origin = text('origin', {
  pattern: /^(\*|https?:\/\/[^/\s]+)$/,
  expected: 'expected an origin such as https://app.example, or *',
})

/** Settings of the listener, its heartbeat and its shutdown. */
export const listenerSettings = {
  listen: setting(text('host:port', { check: parseListen }), '127.0.0.1:8080', 'HOST:PORT for clients'),
  tlsCert: optional(text('file'), "PEM file with the gateway's certificate and its chain"),
  tlsKey: optional(text('file'), 'PEM file with the private key of that certificate'),
  dev: setting(onOff, false, 'serve the try-it page; on loopback addresses only'),
  allowOrigin: setting(
    list(origin),
    [],
    "origins of pages that may connect, besides the gateway's own; a loopback listener also accepts their hosts in the Host header",
  ),
  heartbeatMs: setting(
    whole(4000, 900_000),
    25_000,
    "silence after which a client is pinged; keep it below the load balancer's idle timeout",
  ),
  drainMs: setting(whole(0, 3_600_000), 5000, 'how long a stopping gateway waits for its clients'),
}

/** The edge's part of the configuration's `limits`. */
export const edgeLimits = {
  maxFrameBytes: setting(whole(leastFrameBytes, 16 * mib), 65_536, 'size of one frame from a client'),
  maxWaitingFrameBytes: setting(
    whole(1024, 1024 * mib),
    mib,
    'frames of one WebSocket that wait to be handled; bounds the memory that a client can take by flooding',
  ),
  // With key and headers, the record still fits within Kafka's default of 1,048,588 bytes.
  maxEventBytes: setting(whole(1024, 16 * mib - 1), 1_000_000, 'size of one event, as protobuf'),
  maxBackpressureBytes: setting(
    whole(1024, 64 * mib),
    65_536,
    'bytes that may wait for one WebSocket whose socket is full',
  ),
  maxBodyBytes: setting(whole(1024, 64 * mib), 4 * mib, 'size of one request body'),
  bodyMs: setting(
    whole(100, 7500),
    7000,
    'time within which a request body must be complete, against slow senders (slowloris)',
  ),
  maxBodies: setting(whole(1, 100_000), 64, 'request bodies being read at the same time'),
  maxPublishes: setting(whole(1, 100_000), 256, 'publish requests in progress at the same time'),
  maxPublishEvents: setting(whole(1, 100_000), 1000, 'events in one publish request'),
  maxPollFrames: setting(whole(1, 10_000), 256, 'frames in one poll response'),
  maxPollBytes: setting(whole(1024, 64 * mib), mib, 'bytes in one poll response'),
  maxHttpConnections: setting(whole(1, 10_000_000), 100_000, 'connections other than WebSockets'),
  maxCutsPerSecond: setting(
    whole(1, 1_000_000),
    10,
    'WebSockets of one address that are cut for what they send, before new connections of that address have to wait; against floods by reconnecting clients. Raise it behind a proxy',
  ),
  maxHeaderBytes: setting(whole(1024, mib), 16 * 1024, 'size of a request line and its headers'),
}

const { listen, allowOrigin, dev, heartbeatMs } = defaultsOf(listenerSettings)

export const edgeDefaults: EdgeOptions = {
  ...parseListen(listen),
  allowOrigin,
  dev,
  heartbeatMs,
  ...defaultsOf(edgeLimits),
  maxSubscriptions: sessionSettings.maxSubscriptions.default,
}

/** Returns the problem if `dev` is set on a listener that other hosts can reach. */
export function devProblems({ dev, listen }: { readonly dev: boolean; readonly listen: string }): Problem[] {
  if (!dev || isLoopback(parseListen(listen).host)) return []
  const expected = `expected a loopback address with dev, such as ${listenerSettings.listen.default}, got "${listen}"`
  return [{ path: 'listen', message: `${expected}: the try-it page lets anyone publish` }]
}

/** Reads the certificate and its key, and returns the problems with them. */
export function tlsProblems(tlsCert: string | undefined, tlsKey: string | undefined): Problem[] {
  if (tlsCert === undefined && tlsKey === undefined) return []
  if (tlsKey === undefined) return [{ path: 'tlsKey', message: 'expected a PEM file beside tlsCert, got none' }]
  if (tlsCert === undefined) return [{ path: 'tlsCert', message: 'expected a PEM file beside tlsKey, got none' }]
  const certificate = readPem('tlsCert', tlsCert, (pem) => new X509Certificate(pem))
  const key = readPem('tlsKey', tlsKey, (pem) => createPrivateKey(pem))
  if ('message' in certificate || 'message' in key) return [certificate, key].filter((each) => 'message' in each)
  if (certificate.value.checkPrivateKey(key.value)) return []
  return [{ path: 'tlsKey', message: `expected the private key of ${tlsCert}, got another key in ${tlsKey}` }]
}

function readPem<T>(path: string, file: string, parse: (pem: Buffer) => T): { value: T } | Problem {
  try {
    return { value: parse(readFileSync(file)) }
  } catch (error) {
    return { path, message: `expected a readable PEM file, got "${file}": ${(error as Error).message}` }
  }
}
