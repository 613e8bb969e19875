import { Pipe } from './pipe.ts'
import type { Process, VirtualTime } from './virtual-time.ts'

/** A client's request when it connects. */
export interface Request {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/**
 * One piece that a gateway writes: `head` of a response, `body`, a WebSocket's `frame`, or the
 * end (`fin`).
 */
export interface Chunk {
  readonly kind: 'head' | 'body' | 'frame' | 'fin'
  readonly bytes: number
  /** Status of a `head` (101 = a WebSocket), close code of a `fin`. */
  readonly code: number
  readonly headers?: ReadonlyMap<string, string>
  readonly data: Buffer
  readonly binary: boolean
}

const noBytes = Buffer.alloc(0)

export const chunkOf = (kind: Chunk['kind'], data: Buffer = noBytes, code = 0, binary = false): Chunk => ({
  kind,
  bytes: data.length,
  code,
  data,
  binary,
})

/** The client's end. The network calls it in the client's process. */
export interface ClientEnd {
  received(chunk: Chunk): void
  /** Called when the connection breaks; once, as the last call. */
  lost(): void
}

/** The gateway's end. The network calls it in the gateway's process. */
export interface ServerEnd {
  received(data: Buffer, binary: boolean): void
  /** Called when the buffer has room again. */
  writable(): void
  /**
   * Called when the client closed the connection (1000) or it was lost (1006); once, as the last
   * call.
   */
  gone(code: number): void
}

export interface LinkOptions {
  readonly latencyMs: number
  /** Capacity of the kernels' buffers for a client that does not read, bytes. */
  readonly capacity: number
}

/** Time until a gateway notices a half-open connection, ms. */
const halfOpenMs = 25_000

interface Ends {
  readonly client: Process
  readonly gateway: Process
}

/** One connection between a client and a gateway, with its network faults. */
export class Connection {
  readonly client: Process
  readonly gateway: Process
  readonly down: Pipe<Chunk>
  clientEnd: ClientEnd | undefined
  serverEnd: ServerEnd | undefined
  readonly #time: VirtualTime
  readonly #latencyMs: number
  readonly #onClosed: () => void
  #silent = false
  #clientOver = false
  #serverOver = false

  constructor(time: VirtualTime, { client, gateway }: Ends, link: LinkOptions, onClosed: () => void) {
    this.#time = time
    this.client = client
    this.gateway = gateway
    this.#latencyMs = link.latencyMs
    this.#onClosed = onClosed
    this.down = new Pipe<Chunk>(time, { from: gateway, to: client, ...link }, (chunk) => this.#arrived(chunk))
    this.down.onWritable = () => {
      // After the response, the rest of it is sent without the gateway.
      if (this.serverEnd === undefined) this.down.flush()
      else this.serverEnd.writable()
    }
  }

  /** true = data does not arrive and the client has not noticed. */
  get isDead(): boolean {
    return this.down.silent
  }

  // The client's side

  /** Calls `arrive` at the gateway when the request has arrived. */
  request(arrive: () => void): void {
    this.#up(arrive)
  }

  send(data: Buffer, binary: boolean): void {
    this.#up(() => this.serverEnd?.received(data, binary))
  }

  closeByClient(code: number): void {
    if (this.#clientOver) return
    this.#endClient()
    this.#up(() => this.#endServer(code))
  }

  // The gateway's side

  /** Closes the connection. Written data still arrives. */
  closeByServer(): void {
    this.#serverOver = true
    this.serverEnd = undefined
  }

  /** Closes the connection and drops written data. */
  abort(): void {
    this.down.close()
    this.#endServer(1006)
    this.#loseClient(this.#latencyMs)
  }

  // Network faults

  /** Cuts the connection. Both ends notice, each after its own delay. */
  cut(): void {
    this.down.close()
    if (!this.gateway.dead) this.#time.add(this.gateway, this.#latencyMs, () => this.#endServer(1006))
    this.#loseClient(this.#latencyMs)
  }

  /** Breaks the connection silently. The gateway's pings detect it, and the client's timeout. */
  halfOpen(): void {
    this.#silent = true
    this.down.silent = true
    this.#time.add(this.gateway, halfOpenMs, () => this.#endServer(1006))
  }

  #up(arrive: () => void): void {
    this.#time.add(this.gateway, this.#latencyMs, () => {
      if (!this.#silent && !this.#serverOver) arrive()
    })
  }

  #arrived(chunk: Chunk): void {
    if (this.#clientOver) return
    const end = this.clientEnd
    if (chunk.kind === 'fin') this.#endClient()
    end?.received(chunk)
  }

  #loseClient(delayMs: number): void {
    this.#time.add(this.client, delayMs, () => {
      if (this.#clientOver || this.#silent) return
      const end = this.clientEnd
      this.#endClient()
      end?.lost()
    })
  }

  #endClient(): void {
    this.#clientOver = true
    this.clientEnd = undefined
    this.down.close()
    this.#onClosed()
  }

  #endServer(code: number): void {
    if (this.#serverOver) return
    this.#serverOver = true
    const end = this.serverEnd
    this.serverEnd = undefined
    end?.gone(code)
  }
}
