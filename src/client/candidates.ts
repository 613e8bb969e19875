import type { Transport } from './connection.ts'

/** One way to a gateway. */
export interface Candidate {
  readonly url: string
  readonly transport: Transport
}

/** Attempts in a row, over all URLs, in which nothing was heard, until the next transport is tried: at least so many. */
const leastAttempts = 3

/**
 * Which gateway to try next, and how. Each loss goes on to the next URL. A transport is given up for the next one only after
 * several attempts in which no gateway was heard: a gateway that restarts is no reason to leave the WebSocket.
 */
export class Candidates {
  readonly #urls: readonly string[]
  readonly #transports: readonly Transport[]
  #url = 0
  #transport = 0
  #unheard = 0

  /** Both in order of preference, at least one of each. */
  constructor(urls: readonly string[], transports: readonly Transport[]) {
    this.#urls = urls
    this.#transports = transports
  }

  get count(): number {
    return this.#urls.length * this.#transports.length
  }

  get current(): Candidate {
    return { url: this.#urls[this.#url]!, transport: this.#transports[this.#transport]! }
  }

  /** The best transport, where it is another one than the present. */
  get better(): Candidate | undefined {
    return this.#transport === 0 ? undefined : { url: this.current.url, transport: this.#transports[0]! }
  }

  useBetter(): void {
    this.#transport = 0
    this.#unheard = 0
  }

  /** `heard`: a gateway had answered over it. */
  lost({ heard }: { readonly heard: boolean }): void {
    this.#url = (this.#url + 1) % this.#urls.length
    this.#unheard = heard ? 0 : this.#unheard + 1
    if (this.#unheard < Math.max(leastAttempts, 2 * this.#urls.length)) return
    this.#unheard = 0
    this.#transport = (this.#transport + 1) % this.#transports.length
  }
}
