import type { Timing } from '../base/clock.ts'
import { type ClientFrame, leastFrameBytes, type ServerFrame } from '../wire/frames.ts'
import type { Codec } from './codec.ts'
import type { Connection, Handlers, Open, Refusal, SubscribeRequest } from './connection.ts'
import { type Made, makeSocket } from './make-socket.ts'
import type { NetworkOptions } from './network.ts'
import { lost, refusal, unreadable } from './refusal.ts'
import { Silence, silent } from './silence.ts'

/** Limit for opening a socket, and for the answer to a ping, ms. */
const answerMs = 10_000
/** The platform's `readyState` values: a caller's own WebSocket need not have the constants. */
const openState = 1
const closedState = 3
/** Time that the other side has to answer a close, ms. */
const closeMs = 2000
/**
 * An answer queues behind data on its way, and a large event shows nothing before its end. After
 * an unanswered ping, the next connection therefore waits `patienceGrowth` times as long, up to
 * this, ms. After an answer it waits twice as long as that answer took. Once everything missed has
 * arrived, no large event was on its way: the connection before was half-open.
 */
const mostPatienceMs = 160_000
const patienceGrowth = 4

/** Opens `GET /v1/ws` with the codec's subprotocol. */
export function openWebSocket(codec: Codec, own?: NetworkOptions['WebSocket']): Open {
  const patience = { ms: answerMs, measuredMs: answerMs }
  return (gateway, requests, handlers, clock) => {
    try {
      const url = `${gateway.replace(/^http/, 'ws')}/v1/ws`
      const made = makeSocket(() => new (own ?? WebSocket)(url, codec.subprotocol))
      return new SocketConnection({ codec, gateway, ...made, patience, clock }, requests, handlers)
    } catch (error) {
      // The platform has no WebSocket, or forbids this one: `ws:` from an `https:` page, a blocked
      // port, a Content-Security-Policy.
      return { close: clock.after(0, () => handlers.closed(lost(gateway, error))) }
    }
  }
}

interface Way extends Made {
  readonly codec: Codec
  readonly gateway: string
  /** Limit for the answer to a ping; shared by all connections of a client. */
  readonly patience: {
    ms: number
    /** As the last answer measured it, without growth. */
    measuredMs: number
  }
  readonly clock: Timing
}

class SocketConnection implements Connection {
  readonly #way: Way
  readonly #handlers: Handlers
  readonly #silence: Silence
  /**
   * Requests not sent yet, by ref: all of them until the socket is open, then those above
   * `leastFrameBytes` until the gateway reports its limit.
   */
  readonly #unsent: Map<number, SubscribeRequest>
  /** Refs that are not live yet. */
  readonly #behind = new Set<number>()
  /** The gateway's limit for a frame, bytes; undefined until it is reported. */
  #maxFrameBytes: number | undefined
  /** The last frame, if it was an error about the connection. */
  #refused: Refusal | undefined
  #heartbeatMs = answerMs
  /**
   * Time of the ping that has no answer yet, ms. The platform answers the gateway's own pings out
   * of sight of this API.
   */
  #pingedMs: number | undefined
  #isOpen = false
  #over = false

  constructor(way: Way, requests: readonly SubscribeRequest[], handlers: Handlers) {
    const { socket, clock } = way
    this.#way = way
    this.#unsent = new Map(requests.map((request) => [request.ref, request]))
    this.#handlers = handlers
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => this.#sendAll()
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => this.#receive(data)
    socket.onclose = ({ code, reason }) => this.#end(`closed with ${code} ${reason}`.trimEnd())
    // Node 22 fires no `close` for a socket that never opened.
    socket.onerror = (event) => this.#end((event as Partial<ErrorEvent> | undefined)?.message || 'it failed')
    this.#silence = new Silence(clock, () => this.#silent())
    this.#silence.start(answerMs)
  }

  subscribe(request: SubscribeRequest): void {
    const { socket, codec } = this.#way
    this.#behind.add(request.ref)
    const isOpen = socket.readyState === openState
    const message = codec.encode({ kind: 'subscribe', ...request })
    const most = this.#maxFrameBytes
    const bytes = new Blob([message]).size
    if (isOpen && bytes <= (most ?? leastFrameBytes)) socket.send(message)
    else if (isOpen && most !== undefined)
      this.#refuse(request.ref, `expected a subscription of at most ${most} bytes, got ${bytes}`)
    else this.#unsent.set(request.ref, request)
  }

  unsubscribe(ref: number): void {
    this.#behind.delete(ref)
    if (!this.#unsent.delete(ref)) this.#send({ kind: 'unsubscribe', ref })
  }

  check(): void {
    if (this.#isOpen && this.#pingedMs === undefined) this.#silent()
  }

  close(): void {
    if (this.#over) return
    this.#over = true
    this.#isOpen = false
    this.#silence.stop()
    const { socket, destroy, clock } = this.#way
    if (socket.readyState === closedState) destroy?.()
    else if (destroy !== undefined) {
      const cancel = clock.after(closeMs, destroy)
      socket.onclose = () => {
        cancel()
        destroy()
      }
    }
    socket.close(1000)
  }

  #sendAll(): void {
    const requests = [...this.#unsent.values()]
    this.#unsent.clear()
    for (const request of requests) this.subscribe(request)
  }

  /**
   * Refuses a frame for which the gateway would end the whole connection. The refusal is
   * asynchronous, because the subscriber does not know its ref yet.
   */
  #refuse(ref: number, message: string): void {
    this.#way.clock.after(0, () => {
      if (this.#over) return
      this.#handlers.frame({ kind: 'error', ref, code: 'frame_too_large', message, retry: 'no', retryAfterMs: 0 })
    })
  }

  #send(frame: ClientFrame): void {
    const { socket, codec } = this.#way
    if (socket.readyState === openState) socket.send(codec.encode(frame))
  }

  #receive(data: string | ArrayBuffer): void {
    if (this.#over) return
    this.#answered()
    const frame = this.#decode(data)
    if (frame === undefined || this.#over) return
    if (frame.kind === 'welcome') {
      this.#heartbeatMs = frame.heartbeatMs
      this.#silence.start(frame.heartbeatMs)
      this.#maxFrameBytes = frame.limits.maxFrameBytes || Number.POSITIVE_INFINITY
      this.#sendAll()
    }
    if (frame.kind === 'live' || frame.kind === 'error') this.#arrived(frame.ref)
    this.#refused = frame.kind === 'error' && !frame.ref ? refusal(frame) : undefined
    this.#handlers.frame(frame)
  }

  /**
   * Returns undefined for a kind of frame that this version does not know. An unreadable frame
   * ends the connection.
   */
  #decode(data: string | ArrayBuffer): ServerFrame | undefined {
    try {
      return this.#way.codec.decode(typeof data === 'string' ? data : new Uint8Array(data))
    } catch (error) {
      this.#refused = unreadable(error)
      this.#end(error)
      return undefined
    }
  }

  #arrived(ref: number = 0): void {
    const { patience } = this.#way
    if (this.#behind.delete(ref) && this.#behind.size === 0) patience.ms = patience.measuredMs
  }

  #answered(): void {
    const { patience, clock } = this.#way
    if (this.#isOpen && this.#pingedMs === undefined) {
      this.#silence.heard()
      return
    }
    if (this.#pingedMs !== undefined) {
      patience.measuredMs = Math.max(answerMs, 2 * (clock.monotonicMs() - this.#pingedMs))
      patience.ms = patience.measuredMs
    }
    this.#pingedMs = undefined
    this.#isOpen = true
    this.#silence.start(this.#heartbeatMs)
  }

  #silent(): void {
    const { patience, clock } = this.#way
    if (!this.#isOpen) this.#end(silent)
    else if (this.#pingedMs === undefined) {
      this.#pingedMs = clock.monotonicMs()
      this.#send({ kind: 'ping', t: 0 })
      this.#silence.start(patience.ms)
    } else {
      patience.ms = Math.min(mostPatienceMs, patienceGrowth * patience.ms)
      this.#end(silent)
    }
  }

  #end(cause: unknown): void {
    if (this.#over) return
    this.close()
    this.#handlers.closed(this.#refused ?? lost(this.#way.gateway, cause))
  }
}
