import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'

/** A way to a gateway that can be cut and closed: to its clients it is another gateway. */
export class TcpProxy {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** As some networks do. */
  blocksWebSockets = false
  /** What the gateway sends comes so much later, ms. */
  delayMs = 0
  /** Whether what the gateway sent in one piece goes on to the client. */
  passes: (chunk: Buffer) => boolean = () => true
  /** Nothing passes, and nothing is told: a dead network. */
  #frozen = false

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(port: number, target: number): Promise<TcpProxy> {
    const server = createServer()
    const proxy = new TcpProxy(server)
    server.on('connection', (client) => proxy.#join(client, connect(target, '127.0.0.1')))
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    return proxy
  }

  get connections(): number {
    return this.#sockets.size / 2
  }

  cut(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  freeze(frozen: boolean): void {
    this.#frozen = frozen
    for (const socket of this.#sockets) {
      if (frozen) socket.pause()
      else socket.resume()
    }
  }

  close(): void {
    this.#server.close()
    this.cut()
  }

  #later(write: () => void): void {
    if (this.delayMs === 0) write()
    else setTimeout(write, this.delayMs)
  }

  #join(client: Socket, gateway: Socket): void {
    for (const [from, to] of [
      [client, gateway],
      [gateway, client],
    ] as const) {
      this.#sockets.add(from)
      from.on('data', (chunk) => {
        if (this.blocksWebSockets && /^upgrade: websocket/im.test(chunk.toString('latin1'))) from.destroy()
        else if (from === client) to.write(chunk)
        else if (this.passes(chunk)) this.#later(() => to.write(chunk))
      })
      from.on('error', () => {})
      from.on('close', () => {
        this.#sockets.delete(from)
        to.destroy()
      })
      if (this.#frozen) from.pause()
    }
  }
}
