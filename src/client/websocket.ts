import type { Timing } from '../base/clock.ts'
import { type ClientFrame, leastFrameBytes, type ServerFrame } from '../wire/frames.ts'
import type { Codec } from './codec.ts'
import type { Connection, Handlers, Open, Refusal, SubscribeRequest } from './connection.ts'
import { type Made, makeSocket } from './make-socket.ts'
import type { NetworkOptions } from './network.ts'
import { lost, refusal, unreadable } from './refusal.ts'
import { Silence, silent } from './silence.ts'

/** A socket that does not open, or a ping that is not answered, within this time is given up, ms. */
const answerMs = 10_000
/** The platform's `readyState`: a WebSocket of the caller's own need not have its constants. */
const openState = 1
const closedState = 3
/** The other side has so long to answer a close, ms. */
const closeMs = 2000
/**
 * An answer waits behind what is on its way, and nothing shows of a large event before its end. So after a ping without an answer the next
 * connection waits `patienceGrowth` times as long, up to this, ms; and twice as long as the last answer took.
 */
const mostPatienceMs = 160_000
const patienceGrowth = 4

/** `GET /v1/ws`, with the codec's subprotocol. */
export function openWebSocket(codec: Codec, own?: NetworkOptions['WebSocket']): Open {
  const patience = { ms: answerMs }
  return (gateway, wishes, handlers, clock) => {
    try {
      const url = `${gateway.replace(/^http/, 'ws')}/v1/ws`
      const made = makeSocket(() => new (own ?? WebSocket)(url, codec.subprotocol))
      return new SocketConnection({ codec, gateway, ...made, patience, clock }, wishes, handlers)
    } catch (error) {
      // There is none, or it may not be opened: `ws:` from a page of `https:`, a blocked port, a policy.
      return { close: clock.after(0, () => handlers.closed(lost(gateway, error))) }
    }
  }
}

interface Way extends Made {
  readonly codec: Codec
  readonly gateway: string
  /** For the answer to a ping; of all connections of a client. */
  readonly patience: { ms: number }
  readonly clock: Timing
}

class SocketConnection implements Connection {
  readonly #way: Way
  readonly #handlers: Handlers
  readonly #silence: Silence
  /** By ref: until the socket is open, and those that not every gateway takes until this one has said what it takes. */
  readonly #unsent: Map<number, SubscribeRequest>
  /** Bytes of a frame; undefined until the gateway says it. */
  #maxFrameBytes: number | undefined
  /** The last word, when it was an error about the connection. */
  #refused: Refusal | undefined
  #heartbeatMs = answerMs
  /** When it asked for a sign of life that it has not had, ms. The gateway's own pings are answered below this API, unseen. */
  #pingedMs: number | undefined
  #isOpen = false
  #over = false

  constructor(way: Way, wishes: readonly SubscribeRequest[], handlers: Handlers) {
    const { socket, clock } = way
    this.#way = way
    this.#unsent = new Map(wishes.map((wish) => [wish.ref, wish]))
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

  subscribe(wish: SubscribeRequest): void {
    const { socket, codec } = this.#way
    const isOpen = socket.readyState === openState
    const message = codec.encode({ kind: 'subscribe', ...wish })
    const most = this.#maxFrameBytes
    const bytes = new Blob([message]).size
    if (isOpen && bytes <= (most ?? leastFrameBytes)) socket.send(message)
    else if (isOpen && most !== undefined)
      this.#refuse(wish.ref, `expected at most ${most} bytes of subscription, got ${bytes}`)
    else this.#unsent.set(wish.ref, wish)
  }

  unsubscribe(ref: number): void {
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
    const wishes = [...this.#unsent.values()]
    this.#unsent.clear()
    for (const wish of wishes) this.subscribe(wish)
  }

  /** A gateway would end the whole connection. Told later: who subscribes has not heard that it is asked for. */
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
    this.#refused = frame.kind === 'error' && !frame.ref ? refusal(frame) : undefined
    this.#handlers.frame(frame)
  }

  /** undefined for a kind of frame that this version does not know. What can't be read ends the connection. */
  #decode(data: string | ArrayBuffer): ServerFrame | undefined {
    try {
      return this.#way.codec.decode(typeof data === 'string' ? data : new Uint8Array(data))
    } catch (error) {
      this.#refused = unreadable(error)
      this.#end(error)
      return undefined
    }
  }

  #answered(): void {
    const { patience, clock } = this.#way
    if (this.#isOpen && this.#pingedMs === undefined) {
      this.#silence.heard()
      return
    }
    if (this.#pingedMs !== undefined) patience.ms = Math.max(answerMs, 2 * (clock.monotonicMs() - this.#pingedMs))
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
