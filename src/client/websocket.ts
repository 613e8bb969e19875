import type { Clock } from '../base/clock.ts'
import type { ClientFrame, ServerFrame } from '../wire/frames.ts'
import { decodeServerFrame as fromJson, encodeClientFrame as toJson } from '../wire/json.ts'
import { decodeServerFrame as fromProto, encodeClientFrame as toProto } from '../wire/proto.ts'
import type { Connection, Handlers, Open, Refusal, Wish } from './connection.ts'
import { refusal, unreadable } from './refusal.ts'
import { Silence } from './silence.ts'

export type FrameEncoding = 'json' | 'proto'

/** A socket that does not open, or a ping that is not answered, within this time is given up, ms. */
const answerMs = 10_000

/** `GET /v1/ws`, with the protobuf or the JSON subprotocol. */
export function openWebSocket(encoding: FrameEncoding): Open {
  return (gateway, wishes, handlers, clock) => new SocketConnection(encoding, gateway, wishes, handlers, clock)
}

class SocketConnection implements Connection {
  readonly #encoding: FrameEncoding
  readonly #handlers: Handlers
  readonly #socket: WebSocket
  readonly #silence: Silence
  /** The last word, when it was an error. */
  #refused: Refusal | undefined
  #heartbeatMs = answerMs
  /** Asked for a sign of life. The gateway's own pings are answered below this API, unseen. */
  #pinged = true
  #over = false

  constructor(encoding: FrameEncoding, gateway: string, wishes: readonly Wish[], handlers: Handlers, clock: Clock) {
    this.#encoding = encoding
    this.#handlers = handlers
    const socket = new WebSocket(`${gateway.replace(/^http/, 'ws')}/v1/ws`, `carillon.v1.${encoding}`)
    this.#socket = socket
    socket.binaryType = 'arraybuffer'
    socket.onopen = () => {
      for (const { ref, subject, after } of wishes) this.#send({ kind: 'subscribe', ref, subject, after })
    }
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => this.#receive(data)
    socket.onclose = () => this.#end()
    // Node 22 fires no `close` for a socket that never opened.
    socket.onerror = () => this.#end()
    this.#silence = new Silence(clock, () => this.#silent())
    this.#silence.start(answerMs)
  }

  close(): void {
    this.#over = true
    this.#silence.stop()
    this.#socket.close(1000)
  }

  #send(frame: ClientFrame): void {
    this.#socket.send(this.#encoding === 'json' ? toJson(frame) : new Uint8Array(toProto(frame)))
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
    this.#refused = frame.kind === 'error' ? refusal(frame.code, frame.message, frame.retryAfterMs) : undefined
    this.#handlers.frame(frame)
  }

  /** undefined for a kind of frame that this version does not know. What can't be read ends the connection. */
  #decode(data: string | ArrayBuffer): ServerFrame | undefined {
    try {
      return typeof data === 'string' ? fromJson(data) : fromProto(new Uint8Array(data))
    } catch (error) {
      this.#refused = unreadable(error)
      this.#end()
      return undefined
    }
  }

  #silent(): void {
    if (this.#pinged) {
      this.#end()
      return
    }
    this.#pinged = true
    this.#send({ kind: 'ping', t: 0 })
    this.#silence.start(answerMs)
  }

  #end(): void {
    if (this.#over) return
    this.close()
    this.#handlers.closed(this.#refused)
  }
}
