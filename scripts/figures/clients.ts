import { connect, type Socket } from 'node:net'
import { EventScanner, type EventSink } from '../../src/bench/payload.ts'
import { encodeClientFrame } from '../../src/wire/proto.ts'

/**
 * Clients on bare sockets: a WebSocket library costs more than the gateway that it is to measure. They look for events in the bytes
 * and decode nothing.
 */
export const transports = ['ws-proto', 'ws-json', 'sse', 'poll'] as const
export type Transport = (typeof transports)[number]

/** All reads of this process land here in turn. */
const readBuffer = Buffer.allocUnsafe(256 * 1024)
/** RFC 6455's own example: the server only hashes it. */
const websocketKey = 'dGhlIHNhbXBsZSBub25jZQ=='
/** How long a handshake, or a poll's first answer, may take, ms. */
const patienceMs = 10_000
const endOfHead = Buffer.from('\r\n\r\n')
/** Masked with zeros: a client's frames must be masked, its payload may stay as it is. */
const noMask = Buffer.alloc(4)
const opcode = { text: 1, binary: 2, ping: 9, pong: 10 } as const

export interface ClientOptions {
  readonly port: number
  readonly transport: Transport
  readonly subject: string
  readonly onEvent: EventSink
  /** The connection has gone, not by `close`. */
  readonly onGone: (error: Error) => void
}

/** Connects; resolves when the gateway has accepted the connection and the subscription is on its way. */
export function openClient(options: ClientOptions): Promise<Client> {
  return new Promise((resolve, reject) => {
    const client = new Client(options, (error) => {
      clearTimeout(deadline)
      if (error === undefined) resolve(client)
      else reject(error)
    })
    const deadline = setTimeout(() => {
      client.close()
      reject(new Error(`expected to be accepted within ${patienceMs} ms, got no answer`))
    }, patienceMs)
  })
}

export class Client {
  readonly #options: ClientOptions
  readonly #socket: Socket
  readonly #scanner = new EventScanner()
  #opened: ((error?: Error) => void) | undefined
  /** What has come of a poll's answer. */
  #answer: Buffer = Buffer.alloc(0)
  #closed = false

  constructor(options: ClientOptions, opened: (error?: Error) => void) {
    this.#options = options
    this.#opened = opened
    const onread = {
      buffer: readBuffer,
      callback: (bytes: number) => {
        this.#read(readBuffer.subarray(0, bytes))
        return true
      },
    }
    this.#socket = connect({ host: '127.0.0.1', port: options.port, onread }, () => this.#begin())
    this.#socket.on('error', (error) => this.#gone(error))
    this.#socket.on('close', () => this.#gone(new Error('the gateway closed the connection')))
  }

  close(): void {
    this.#closed = true
    this.#socket.destroy()
  }

  #begin(): void {
    const { transport, subject } = this.#options
    if (transport === 'sse') this.#get(`/v1/sse?subject=${subject}`)
    else if (transport === 'poll') this.#get(`/v1/poll?subject=${subject}`)
    else {
      const protocol = transport === 'ws-proto' ? 'carillon.v1.proto' : 'carillon.v1.json'
      const upgrade = `Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n`
      this.#get('/v1/ws', `${upgrade}Sec-WebSocket-Key: ${websocketKey}\r\nSec-WebSocket-Protocol: ${protocol}\r\n`)
    }
  }

  #get(path: string, headers = ''): void {
    this.#socket.write(`GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${headers}\r\n`)
  }

  #read(chunk: Buffer): void {
    if (this.#options.transport === 'poll') {
      this.#readAnswer(chunk)
      return
    }
    if (this.#opened !== undefined) {
      this.#accepted(chunk)
      return
    }
    this.#scanner.take(chunk, this.#options.onEvent)
    if (chunk.length >= 2 && chunk[chunk.length - 2] === (0x80 | opcode.ping) && chunk[chunk.length - 1] === 0) {
      if (this.#options.transport !== 'sse') this.#send(opcode.pong, Buffer.alloc(0))
    }
  }

  #accepted(chunk: Buffer): void {
    const { transport, subject } = this.#options
    const status = chunk.toString('latin1', 9, 12)
    if (status !== (transport === 'sse' ? '200' : '101')) {
      this.#gone(new Error(`expected to be accepted, got ${chunk.toString('latin1', 0, 300)}`))
      return
    }
    if (transport === 'ws-proto') {
      this.#send(opcode.binary, encodeClientFrame({ kind: 'subscribe', ref: 1, subject, after: [] }))
    } else if (transport === 'ws-json') {
      this.#send(opcode.text, Buffer.from(JSON.stringify({ subscribe: { ref: 1, subject } })))
    }
    this.#opened?.()
    this.#opened = undefined
  }

  #send(code: number, payload: Uint8Array): void {
    this.#socket.write(Buffer.concat([Buffer.from([0x80 | code, 0x80 | payload.length]), noMask, payload]))
  }

  /** Answers of polls are short, so they may be copied. */
  #readAnswer(chunk: Buffer): void {
    this.#answer = Buffer.concat([this.#answer, chunk])
    const head = this.#answer.indexOf(endOfHead)
    if (head < 0) return
    const length = /content-length: (\d+)/i.exec(this.#answer.toString('latin1', 0, head))
    const end = head + endOfHead.length + Number(length?.[1] ?? 0)
    if (this.#answer.length < end) return
    const after = /"after":"([^"]+)"\}$/.exec(this.#answer.toString('latin1', Math.max(0, end - 200), end))
    if (after === null) {
      this.#gone(new Error(`expected an answer with a position, got ${this.#answer.toString('latin1', 0, 300)}`))
      return
    }
    this.#scanner.take(this.#answer.subarray(0, end), this.#options.onEvent)
    this.#answer = this.#answer.subarray(end)
    this.#get(`/v1/poll?subject=${this.#options.subject}&after=${after[1]}&wait=25000`)
    this.#opened?.()
    this.#opened = undefined
  }

  #gone(error: Error): void {
    if (this.#closed) return
    this.close()
    if (this.#opened === undefined) this.#options.onGone(error)
    else this.#opened(error)
    this.#opened = undefined
  }
}
