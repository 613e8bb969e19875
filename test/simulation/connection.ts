import { Pipe } from './pipe.ts'
import type { Process, VirtualTime } from './virtual-time.ts'

/** What a client asks when it connects. */
export interface Request {
  readonly method: string
  readonly path: string
  readonly query: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** What a gateway writes, piece by piece: `head` of an answer, its `body`, a WebSocket's `frame`, and the end (`fin`). */
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

/** The client's end: each call comes from the network, in the client's process. */
export interface ClientEnd {
  received(chunk: Chunk): void
  /** The connection is gone without a word; once, and last. */
  lost(): void
}

/** The gateway's end, likewise. */
export interface ServerEnd {
  received(data: Buffer, binary: boolean): void
  /** There is room again. */
  writable(): void
  /** The client closed it (1000), or it was lost (1006); once, and last. */
  gone(code: number): void
}

export interface LinkOptions {
  readonly latencyMs: number
  /** What the kernels hold for a client that does not read. */
  readonly capacity: number
}

/** Until a gateway notices that nobody is at the other end, ms. */
const halfOpenMs = 25_000

interface Ends {
  readonly client: Process
  readonly gateway: Process
}

/** One connection between a client and a gateway, as their network lets it be. */
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
      // Once it was answered, what is left of the answer goes out by itself.
      if (this.serverEnd === undefined) this.down.flush()
      else this.serverEnd.writable()
    }
  }

  /** What is sent does not arrive, and the client has not noticed. */
  get isDead(): boolean {
    return this.down.silent
  }

  // The client's side

  /** Runs at the gateway, when the request has got there. */
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

  /** What was written still arrives. */
  closeByServer(): void {
    this.#serverOver = true
    this.serverEnd = undefined
  }

  /** What was written does not. */
  abort(): void {
    this.down.close()
    this.#endServer(1006)
    this.#loseClient(this.#latencyMs)
  }

  // What the network does

  /** Both ends hear of it, each in its time. */
  cut(): void {
    this.down.close()
    if (!this.gateway.dead) this.#time.add(this.gateway, this.#latencyMs, () => this.#endServer(1006))
    this.#loseClient(this.#latencyMs)
  }

  /** Neither end hears of it: the gateway's pings find out, and the client's own patience. */
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
