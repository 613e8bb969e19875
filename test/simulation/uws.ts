import type { Connection as Native, Request as NativeRequest } from '../../src/edge/listener.ts'
import { type Chunk, type Connection, chunkOf, type Request, type ServerEnd } from './connection.ts'

/** uWS collects what is written in a cork up to so many bytes (its own: 16 KiB); the small one is met more often. */
const corkBytes = 1024

/** Writing as uWS does it: corks, a buffer of its own beyond the kernel's, and outcomes that are known a write too late. */
class Socket {
  readonly connection: Connection
  #corks = 0
  #corked: Chunk[] = []
  #corkedBytes = 0

  constructor(connection: Connection) {
    this.connection = connection
  }

  get waitingBytes(): number {
    return this.connection.down.waitingBytes
  }

  cork(run: () => void): void {
    this.#corks++
    try {
      run()
    } finally {
      if (--this.#corks === 0) this.#uncork()
    }
  }

  /** True unless something is known to wait in user space afterwards. */
  write(chunk: Chunk): boolean {
    const { down } = this.connection
    if (down.waitingBytes > 0 && !down.flush()) return down.send(chunk)
    if (this.#corks > 0 && this.#corkedBytes + chunk.bytes <= corkBytes) {
      this.#corked.push(chunk)
      this.#corkedBytes += chunk.bytes
      return true
    }
    this.#uncork()
    return down.send(chunk)
  }

  #uncork(): void {
    for (const chunk of this.#corked) this.connection.down.send(chunk)
    this.#corked = []
    this.#corkedBytes = 0
  }
}

/** Where all clients come from. */
const address = new Uint8Array([192, 0, 2, 1]).buffer

type Status = 'open' | 'ended'

/** uWS's HttpResponse as far as the edge uses it. What uWS forbids, as touching it once it is over, throws here. */
export class SimResponse implements ServerEnd {
  readonly #socket: Socket
  readonly #headers = new Map<string, string>()
  #status = 200
  #headSent = false
  #state: Status = 'open'
  #aborted: (() => void) | undefined
  #writable: ((offset: number) => boolean) | undefined
  readonly #body: string
  readonly #upgrade: (userData: unknown) => void

  constructor(connection: Connection, body: string, upgrade: (userData: unknown) => void) {
    this.#socket = new Socket(connection)
    this.#body = body
    this.#upgrade = upgrade
    connection.serverEnd = this
  }

  get native(): Native {
    return this as unknown as Native
  }

  // ServerEnd

  received(): void {}

  writable(): void {
    if (this.#state !== 'open') {
      this.#socket.connection.down.flush()
      return
    }
    // Flushing is left to the handler.
    if (this.#writable !== undefined) this.#writable(0)
    else this.#socket.connection.down.flush()
  }

  gone(): void {
    if (this.#state !== 'open') return
    this.#state = 'ended'
    this.#aborted?.()
  }

  // HttpResponse

  getRemoteAddress(): ArrayBuffer {
    this.#requireOpen('getRemoteAddress')
    return address
  }

  onAborted(handler: () => void): this {
    this.#aborted = handler
    return this
  }

  onWritable(handler: (offset: number) => boolean): this {
    this.#requireOpen('onWritable')
    this.#writable = handler
    return this
  }

  onData(handler: (chunk: ArrayBuffer, isLast: boolean) => void): this {
    const { buffer, byteOffset, byteLength } = Buffer.from(this.#body)
    handler(buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer, true)
    return this
  }

  cork(run: () => void): this {
    // As uWS: a response that is over may be corked, nothing else.
    this.#socket.cork(run)
    return this
  }

  writeStatus(status: string): this {
    this.#requireOpen('writeStatus')
    this.#status = Number.parseInt(status, 10)
    return this
  }

  writeHeader(name: string, value: string): this {
    this.#headers.set(name.toLowerCase(), value)
    return this
  }

  write(data: string | Uint8Array): boolean {
    this.#requireOpen('write')
    this.#sendHead()
    return this.#socket.write(chunkOf('body', copied(data)))
  }

  end(data: string | Uint8Array = ''): this {
    this.#requireOpen('end')
    this.#sendHead()
    this.#state = 'ended'
    this.#socket.cork(() => {
      if (data.length > 0) this.#socket.write(chunkOf('body', copied(data)))
      this.#socket.write(chunkOf('fin'))
    })
    this.#socket.connection.closeByServer()
    return this
  }

  endWithoutBody(): this {
    return this.end()
  }

  close(): this {
    if (this.#state === 'open') this.#socket.connection.abort()
    return this
  }

  upgrade(userData: unknown): void {
    this.#requireOpen('upgrade')
    this.#state = 'ended'
    this.#upgrade(userData)
  }

  #sendHead(): void {
    if (this.#headSent) return
    this.#headSent = true
    this.#socket.write({ ...chunkOf('head', undefined, this.#status), headers: this.#headers })
  }

  #requireOpen(what: string): void {
    if (this.#state !== 'open') throw new Error(`${what} on a response that is over: uWS throws or crashes here`)
  }
}

export const requestOf = ({ method, path, query, headers }: Request): NativeRequest =>
  ({
    getMethod: () => method.toLowerCase(),
    getUrl: () => path,
    getQuery: () => query,
    getHeader: (name: string) => headers[name] ?? '',
    forEach: (each: (name: string, value: string) => void) => {
      for (const [name, value] of Object.entries(headers)) each(name, value ?? '')
    },
  }) as unknown as NativeRequest

/** What the edge registers for WebSockets, as far as it is used here. */
export interface Behavior {
  readonly maxBackpressure: number
  upgrade(res: unknown, req: unknown, context: unknown): void
  open(ws: unknown): void
  message(ws: unknown, message: ArrayBuffer, binary: boolean): void
  drain(ws: unknown): void
  close(ws: unknown, code: number, reason: ArrayBuffer): void
}

/** uWS's WebSocket. */
export class SimServerSocket implements ServerEnd {
  readonly #socket: Socket
  readonly #userData: unknown
  readonly #behavior: Behavior
  #open = true

  constructor(connection: Connection, userData: unknown, behavior: Behavior) {
    this.#socket = new Socket(connection)
    this.#userData = userData
    this.#behavior = behavior
    connection.serverEnd = this
    this.#socket.write(chunkOf('head', undefined, 101))
  }

  // ServerEnd

  received(data: Buffer, binary: boolean): void {
    const { buffer, byteOffset, byteLength } = data
    // uWS takes the memory back when the handler returns.
    const message = buffer.slice(byteOffset, byteOffset + byteLength) as ArrayBuffer
    this.#behavior.message(this, message, binary)
    new Uint8Array(message).fill(0xff)
  }

  writable(): void {
    const { down } = this.#socket.connection
    const before = down.waitingBytes
    down.flush()
    if (this.#open && down.waitingBytes < before) this.#behavior.drain(this)
  }

  gone(code: number): void {
    if (!this.#open) return
    this.#open = false
    this.#behavior.close(this, code, new ArrayBuffer(0))
  }

  // WebSocket

  getRemoteAddress(): ArrayBuffer {
    if (!this.#open) throw new Error('getRemoteAddress on a closed WebSocket: uWS throws here')
    return address
  }

  getUserData(): unknown {
    return this.#userData
  }

  send(data: Uint8Array, binary: boolean): number {
    if (!this.#open) throw new Error('send on a closed WebSocket: uWS throws here')
    if (this.#socket.waitingBytes > this.#behavior.maxBackpressure) return 2
    return this.#socket.write(chunkOf('frame', Buffer.from(data), 0, binary)) ? 1 : 0
  }

  /** Clients answer by themselves, and no history has one that does not. */
  ping(): number {
    if (!this.#open) throw new Error('ping on a closed WebSocket: uWS throws here')
    return 1
  }

  cork(run: () => void): this {
    this.#socket.cork(run)
    return this
  }

  close(): void {
    if (this.#open) this.#socket.connection.abort()
  }

  end(code: number): void {
    if (!this.#open) return
    this.#open = false
    this.#socket.write(chunkOf('fin', undefined, code))
    this.#socket.connection.closeByServer()
    this.#behavior.close(this, code, new ArrayBuffer(0))
  }
}

function copied(data: string | Uint8Array): Buffer {
  return typeof data === 'string' ? Buffer.from(data) : Buffer.from(data)
}
