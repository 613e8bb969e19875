import type { Conversation, Listener } from './conversation.ts'
import { readHead } from './http-head.ts'
import { clientFrame, FrameReader, opcode } from './websocket-frames.ts'

/** A protocol on top of WebSocket messages. */
export interface Dialect {
  /** Path and query of the handshake. */
  readonly path: string
  /** Header lines of the handshake in addition to WebSocket's own, each ending in CRLF. */
  readonly headers: string
  /** Sends the subscriptions. Called after the handshake. */
  opened(listener: Listener, send: Send): void
  /**
   * Handles a message, bytes [start, end), overwritten afterwards. Returns the reply; undefined =
   * none.
   */
  message(listener: Listener, bytes: Buffer, start: number, end: number): Uint8Array | string | undefined
}

/** Sends a message. */
export type Send = (payload: Uint8Array | string) => void

/** The example key of RFC 6455. The server only hashes it. */
const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const nothing = Buffer.alloc(0)

/** A conversation that speaks a dialect. One dialect object serves all connections. */
export class WebSocketConversation implements Conversation {
  readonly #listener: Listener
  readonly #dialect: Dialect
  readonly #frames = new FrameReader()
  /** The received part of the handshake's response; undefined once the handshake is done. */
  #head: Buffer | undefined = nothing

  constructor(listener: Listener, dialect: Dialect) {
    this.#listener = listener
    this.#dialect = dialect
  }

  begin(): void {
    const { path, headers } = this.#dialect
    const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'
    const head = `GET ${path} HTTP/1.1\r\nHost: ${this.#listener.authority}\r\n${upgrade}`
    this.#listener.send(`${head}Sec-WebSocket-Key: ${key}\r\n${headers}\r\n`)
  }

  take(bytes: Buffer): void {
    if (this.#head === undefined) this.#frames.take(bytes, this.#frame)
    else this.#accept(Buffer.concat([this.#head, bytes]))
  }

  #accept(bytes: Buffer): void {
    this.#head = bytes
    const head = readHead(bytes)
    if (head === undefined) return
    if (head.status !== 101) {
      throw new Error(`expected 101 for a WebSocket, got ${JSON.stringify(bytes.toString('latin1', 0, 300))}`)
    }
    this.#head = undefined
    this.#dialect.opened(this.#listener, this.#send)
    if (head.end < bytes.length) this.#frames.take(bytes.subarray(head.end), this.#frame)
  }

  readonly #frame = (code: number, bytes: Buffer, start: number, end: number): void => {
    if (code === opcode.text || code === opcode.binary) {
      const answer = this.#dialect.message(this.#listener, bytes, start, end)
      if (answer !== undefined) this.#send(answer)
    } else if (code === opcode.ping) {
      this.#listener.send(clientFrame(opcode.pong, bytes.subarray(start, end)))
    } else if (code === opcode.close) {
      const why = end - start < 2 ? '' : ` (${bytes.readUInt16BE(start)} ${bytes.toString('utf8', start + 2, end)})`
      throw new Error(`the server closed the connection${why}`)
    }
  }

  readonly #send: Send = (payload) => {
    const text = typeof payload === 'string'
    this.#listener.send(clientFrame(text ? opcode.text : opcode.binary, text ? Buffer.from(payload) : payload))
  }
}
