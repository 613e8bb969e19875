import type { Timing } from '../base/clock.ts'
import type { ClientFrame, ServerFrame } from '../wire/frames.ts'
import type { Codec } from './codec.ts'
import type { Connection, Handlers, Open, Refusal, Wish } from './connection.ts'
import type { NetworkOptions } from './network.ts'
import { lost, refusal, unreadable } from './refusal.ts'
import { Silence, silent } from './silence.ts'

/** A socket that does not open, or a ping that is not answered, within this time is given up, ms. */
const answerMs = 10_000

/** `GET /v1/ws`, with the codec's subprotocol. */
export function openWebSocket(codec: Codec, own?: NetworkOptions['WebSocket']): Open {
  return (gateway, wishes, handlers, clock) => {
    try {
      const socket = new (own ?? WebSocket)(`${gateway.replace(/^http/, 'ws')}/v1/ws`, codec.subprotocol)
      return new SocketConnection({ codec, gateway, socket }, wishes, handlers, clock)
    } catch (error) {
      // There is none, or it may not be opened: `ws:` from a page of `https:`, a blocked port, a policy.
      return { close: clock.after(0, () => handlers.closed(lost(gateway, error))) }
    }
  }
}

interface Way {
  readonly codec: Codec
  readonly gateway: string
  readonly socket: WebSocket
}

class SocketConnection implements Connection {
  readonly #codec: Codec
  readonly #gateway: string
  readonly #handlers: Handlers
  readonly #socket: WebSocket
  readonly #silence: Silence
  /** By ref; sent once the socket is open. undefined from then on. */
  #early: Map<number, Wish> | undefined
  /** The last word, when it was an error about the connection. */
  #refused: Refusal | undefined
  #heartbeatMs = answerMs
  /** Asked for a sign of life. The gateway's own pings are answered below this API, unseen. */
  #pinged = true
  #over = false

  constructor({ codec, gateway, socket }: Way, wishes: readonly Wish[], handlers: Handlers, clock: Timing) {
    this.#codec = codec
    this.#gateway = gateway
    this.#early = new Map(wishes.map((wish) => [wish.ref, wish]))
    this.#handlers = handlers
    this.#socket = socket
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => this.#opened()
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => this.#receive(data)
    socket.onclose = ({ code, reason }) => this.#end(`closed with ${code} ${reason}`)
    // Node 22 fires no `close` for a socket that never opened.
    socket.onerror = (event) => this.#end((event as Partial<ErrorEvent> | undefined)?.message || 'it failed')
    this.#silence = new Silence(clock, () => this.#silent())
    this.#silence.start(answerMs)
  }

  subscribe(wish: Wish): void {
    if (this.#early === undefined) this.#send({ kind: 'subscribe', ...wish })
    else this.#early.set(wish.ref, wish)
  }

  unsubscribe(ref: number): void {
    if (this.#early === undefined) this.#send({ kind: 'unsubscribe', ref })
    else this.#early.delete(ref)
  }

  check(): void {
    if (!this.#over && !this.#pinged) this.#silent()
  }

  close(): void {
    this.#over = true
    this.#silence.stop()
    this.#socket.close(1000)
  }

  #opened(): void {
    const wishes = this.#early?.values() ?? []
    this.#early = undefined
    for (const wish of wishes) this.subscribe(wish)
  }

  #send(frame: ClientFrame): void {
    if (this.#socket.readyState === 1) this.#socket.send(this.#codec.encode(frame))
  }

  #receive(data: string | ArrayBuffer): void {
    if (this.#over) return
    if (this.#pinged) {
      this.#pinged = false
      this.#silence.start(this.#heartbeatMs)
    } else this.#silence.heard()
    const frame = this.#decode(data)
    if (frame === undefined || this.#over) return
    if (frame.kind === 'welcome') {
      this.#heartbeatMs = frame.heartbeatMs
      this.#silence.start(frame.heartbeatMs)
    }
    this.#refused = frame.kind === 'error' && !frame.ref ? refusal(frame) : undefined
    this.#handlers.frame(frame)
  }

  /** undefined for a kind of frame that this version does not know. What can't be read ends the connection. */
  #decode(data: string | ArrayBuffer): ServerFrame | undefined {
    try {
      return this.#codec.decode(typeof data === 'string' ? data : new Uint8Array(data))
    } catch (error) {
      this.#refused = unreadable(error)
      this.#end(error)
      return undefined
    }
  }

  #silent(): void {
    if (this.#pinged) {
      this.#end(silent)
      return
    }
    this.#pinged = true
    this.#send({ kind: 'ping', t: 0 })
    this.#silence.start(answerMs)
  }

  #end(cause: unknown): void {
    if (this.#over) return
    this.close()
    this.#handlers.closed(this.#refused ?? lost(this.#gateway, cause))
  }
}
