import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** What a proxy does to what passes: nothing, hold it all back, or let through so many bytes a second of each connection. */
export type Passing = 'open' | 'stalled' | { readonly bytesPerSecond: number }

const tickMs = 50

/** A way to a gateway that can be cut, stalled and made slow. */
export class FaultyProxy {
  readonly #streams = new Set<Stream>()
  #passing: Passing = 'open'

  static async start(port: number, target: number): Promise<FaultyProxy> {
    const server = createServer()
    const proxy = new FaultyProxy()
    server.on('connection', (client) => proxy.#join(client, connect(target, '127.0.0.1')))
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  pass(passing: Passing): void {
    this.#passing = passing
    for (const stream of this.#streams) stream.pass(passing)
  }

  /** Every `nth` connection ends without a word. */
  cut(nth: number): void {
    let i = 0
    // Both directions of a connection lie side by side.
    for (const stream of [...this.#streams]) if (Math.floor(i++ / 2) % nth === 0) stream.cut()
  }

  #join(client: Socket, gateway: Socket): void {
    for (const [from, to] of [
      [client, gateway],
      [gateway, client],
    ] as const) {
      const stream = new Stream(from, to)
      stream.pass(this.#passing)
      this.#streams.add(stream)
      from.on('error', () => {})
      from.on('close', () => {
        this.#streams.delete(stream)
        stream.cut()
      })
    }
  }
}

/** One direction of one connection. Holds no more than a read's chunk. */
class Stream {
  readonly #from: Socket
  readonly #to: Socket
  #held: Buffer | undefined
  #passing: Passing = 'open'
  #timer: NodeJS.Timeout | undefined

  constructor(from: Socket, to: Socket) {
    this.#from = from
    this.#to = to
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
      if (this.#held !== undefined) this.#to.write(this.#held)
      this.#held = undefined
      this.#from.resume()
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
      if (!this.#to.write(chunk)) this.#from.pause()
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
    this.#to.write(this.#held.subarray(0, bytes))
    this.#held = this.#held.length > bytes ? this.#held.subarray(bytes) : undefined
  }
}
