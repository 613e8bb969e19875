import type { Chunk, ClientEnd, Connection, Request } from './connection.ts'

/** What connects the process that is running to a gateway, or to none. */
export interface Network {
  /** `lost` is told to `end` where there is no gateway. */
  connect(url: URL, request: Request, end: ClientEnd): Connection | undefined
}

interface Globals {
  WebSocket: unknown
  fetch: unknown
}

/** Replaces what the code under test takes from its platform, in this thread; returns what puts it back. */
export function replacePlatform(network: Network): () => void {
  const globals = globalThis as unknown as Globals
  const { fetch } = globals
  const webSocket = Object.getOwnPropertyDescriptor(globalThis, 'WebSocket')!
  globals.fetch = (url: string, options?: FetchOptions) => simFetch(network, url, options)
  const value = class extends SimWebSocket {
    constructor(url: string, protocol: string) {
      super(network, url, protocol)
    }
  }
  Object.defineProperty(globalThis, 'WebSocket', { value, configurable: true, writable: true })
  return () => {
    globals.fetch = fetch
    Object.defineProperty(globalThis, 'WebSocket', webSocket)
  }
}

function requestOf(url: URL, { method = 'GET', headers = {}, body = '' }: FetchOptions): Request {
  return { method, path: url.pathname, query: url.search.slice(1), headers: { host: url.host, ...headers }, body }
}

/** The platform's WebSocket. */
class SimWebSocket implements ClientEnd {
  binaryType = 'blob'
  onopen: (() => void) | null = null
  onmessage: ((event: { data: string | ArrayBuffer }) => void) | null = null
  onclose: ((event: { code: number }) => void) | null = null
  onerror: (() => void) | null = null
  #connection: Connection | undefined
  #state: 'connecting' | 'open' | 'closed' = 'connecting'
  static readonly OPEN = 1

  get readyState(): number {
    return this.#state === 'open' ? SimWebSocket.OPEN : 3
  }

  constructor(network: Network, address: string, protocol: string) {
    const url = new URL(address)
    const headers = { 'sec-websocket-protocol': protocol, 'sec-websocket-key': 'key', upgrade: 'websocket' }
    this.#connection = network.connect(url, requestOf(url, { headers }), this)
  }

  send(data: string | Uint8Array): void {
    if (this.#state !== 'open') throw new Error('InvalidStateError: the socket is not open')
    const binary = typeof data !== 'string'
    this.#connection?.send(Buffer.from(data as string), binary)
  }

  close(code = 1000): void {
    if (this.#state === 'closed') return
    this.#state = 'closed'
    this.#connection?.closeByClient(code)
  }

  received(chunk: Chunk): void {
    if (this.#state === 'closed') return
    switch (chunk.kind) {
      case 'head':
        if (chunk.code !== 101) return
        this.#state = 'open'
        this.onopen?.()
        break
      case 'frame': {
        const { buffer, byteOffset, byteLength } = chunk.data
        const data = chunk.binary ? buffer.slice(byteOffset, byteOffset + byteLength) : chunk.data.toString('utf8')
        this.onmessage?.({ data: data as string | ArrayBuffer })
        break
      }
      case 'fin':
        this.#over(chunk.code || 1006)
    }
  }

  lost(): void {
    this.#over(1006)
  }

  #over(code: number): void {
    if (this.#state === 'closed') return
    const opened = this.#state === 'open'
    this.#state = 'closed'
    // As Node 22: no `close` for a socket that never opened.
    if (opened) this.onclose?.({ code })
    else this.onerror?.()
  }
}

interface FetchOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal?: AbortSignal
}

/** The platform's fetch, with as much of a response as the SDK reads. */
function simFetch(network: Network, address: string, options: FetchOptions = {}): Promise<Response> {
  const url = new URL(address)
  const answer = new SimAnswer()
  const connection = network.connect(url, requestOf(url, options), answer)
  options.signal?.addEventListener('abort', () => {
    connection?.closeByClient(1006)
    answer.fail(new DOMException('This operation was aborted', 'AbortError'))
  })
  return answer.head.promise
}

class SimAnswer implements ClientEnd {
  readonly head = Promise.withResolvers<Response>()
  status = 0
  headers: ReadonlyMap<string, string> = new Map()
  #chunks: Uint8Array[] = []
  #ended = false
  #error: Error | undefined
  #more = Promise.withResolvers<void>()

  received(chunk: Chunk): void {
    switch (chunk.kind) {
      case 'head':
        this.status = chunk.code
        this.headers = chunk.headers!
        this.head.resolve(this as unknown as Response)
        break
      case 'body':
        this.#chunks.push(new Uint8Array(chunk.data))
        this.#wake()
        break
      case 'fin':
        this.#ended = true
        this.#wake()
    }
  }

  lost(): void {
    this.fail(new TypeError('fetch failed'))
  }

  fail(error: Error): void {
    if (this.#ended || this.#error !== undefined) return
    this.#error = error
    this.head.reject(error)
    // Whoever was answered hears of it where it reads.
    this.head.promise.catch(() => {})
    this.#wake()
  }

  get body() {
    return { getReader: () => ({ read: () => this.#read() }) }
  }

  async text(): Promise<string> {
    const parts: Uint8Array[] = []
    for (let next = await this.#read(); !next.done; next = await this.#read()) parts.push(next.value)
    return Buffer.concat(parts).toString('utf8')
  }

  async #read(): Promise<ReadableStreamReadResult<Uint8Array>> {
    for (;;) {
      const value = this.#chunks.shift()
      if (value !== undefined) return { value, done: false }
      if (this.#error !== undefined) throw this.#error
      if (this.#ended) return { value: undefined, done: true }
      await this.#more.promise
    }
  }

  #wake(): void {
    this.#more.resolve()
    this.#more = Promise.withResolvers()
  }
}
