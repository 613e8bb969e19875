import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/** What a proxy does to what passes: nothing, hold it all back, or let through so many bytes a second of each connection. */
export type Passing = 'open' | 'stalled' | { readonly bytesPerSecond: number }

const tickMs = 50

/** A way to a server that can be cut, stalled and made slow: to its clients it is another server. */
export class FaultyProxy {
  /** As some networks do. */
  blocksWebSockets = false
  /** What the server sends comes so much later, ms. */
  delayMs = 0
  /** Whether what the server sent in one piece goes on to the client. */
  passes: (chunk: Buffer) => boolean = () => true
  /** Connections so far. */
  opened = 0
  readonly #server: Server
  /** Both directions of a connection lie side by side. */
  readonly #streams = new Set<Stream>()
  #passing: Passing = 'open'

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(port: number, target: number): Promise<FaultyProxy> {
    const server = createServer()
    const proxy = new FaultyProxy(server)
    server.on('connection', (client) => proxy.#join(client, connect(target, '127.0.0.1')))
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  /** Its own; the one that the system chose, where it was started on 0. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get connections(): number {
    return this.#streams.size / 2
  }

  /** Of all connections, those that come later included. */
  pass(passing: Passing): void {
    this.#passing = passing
    for (const stream of this.#streams) stream.pass(passing)
  }

  /** Every `nth` connection ends, and neither end is told why. */
  cut(nth = 1): void {
    let i = 0
    for (const stream of [...this.#streams]) if (Math.floor(i++ / 2) % nth === 0) stream.cut()
  }

  close(): void {
    this.#server.close()
    this.cut()
  }

  #join(client: Socket, server: Socket): void {
    this.opened++
    this.#direct(client, server, (chunk) => {
      if (!this.blocksWebSockets || !/^upgrade: websocket/im.test(chunk.toString('latin1'))) return server.write(chunk)
      client.destroy()
      return false
    })
    this.#direct(server, client, (chunk) => {
      if (!this.passes(chunk)) return true
      if (this.delayMs === 0) return client.write(chunk)
      setTimeout(() => client.write(chunk), this.delayMs)
      return true
    })
  }

  #direct(from: Socket, to: Socket, forward: Forward): void {
    const stream = new Stream(from, to, forward)
    stream.pass(this.#passing)
    this.#streams.add(stream)
    from.on('error', () => {})
    from.on('close', () => {
      this.#streams.delete(stream)
      stream.cut()
    })
  }
}

/** False = read no more until the other side has drained. */
type Forward = (chunk: Buffer) => boolean

/** One direction of one connection. Holds no more than a read's chunk. */
class Stream {
  readonly #from: Socket
  readonly #to: Socket
  readonly #forward: Forward
  #held: Buffer | undefined
  #passing: Passing = 'open'
  #timer: NodeJS.Timeout | undefined

  constructor(from: Socket, to: Socket, forward: Forward) {
    this.#from = from
    this.#to = to
    this.#forward = forward
    from.on('data', (chunk: Buffer) => this.#read(chunk))
    to.on('drain', () => {
      if (this.#passing === 'open') from.resume()
    })
  }

  pass(passing: Passing): void {
    this.#passing = passing
    clearInterval(this.#timer)
    if (passing === 'stalled') {
      this.#from.pause()
      return
    }
    if (passing === 'open') {
      const held = this.#held
      this.#held = undefined
      if (held === undefined || this.#forward(held)) this.#from.resume()
      return
    }
    const perTick = Math.max(1, Math.floor((passing.bytesPerSecond * tickMs) / 1000))
    this.#timer = setInterval(() => this.#trickle(perTick), tickMs)
  }

  cut(): void {
    clearInterval(this.#timer)
    this.#from.destroy()
    this.#to.destroy()
  }

  #read(chunk: Buffer): void {
    if (this.#passing === 'open') {
      if (!this.#forward(chunk)) this.#from.pause()
      return
    }
    // A chunk that was read already when it paused.
    this.#held = this.#held === undefined ? chunk : Buffer.concat([this.#held, chunk])
    this.#from.pause()
  }

  #trickle(bytes: number): void {
    if (this.#held === undefined) {
      this.#from.resume()
      return
    }
    this.#forward(this.#held.subarray(0, bytes))
    this.#held = this.#held.length > bytes ? this.#held.subarray(bytes) : undefined
  }
}
