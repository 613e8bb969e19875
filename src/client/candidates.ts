import type { Random } from '../base/random.ts'
import type { Transport } from './connection.ts'

/** One way to a gateway. */
export interface Candidate {
  readonly url: string
  readonly transport: Transport
}

/** Attempts in a row, over all URLs, that brought nothing, until the next transport is tried: at least so many. */
const leastAttempts = 3
/** Fewer where they took so long together, ms a URL: what is held back on the way will not come. */
const mostMs = 10_000

/**
 * Which gateway to try next, and how. Each loss goes on to the next URL. A transport is given up for the next one only after
 * several attempts that brought nothing: a gateway that restarts is no reason to leave the WebSocket.
 */
export class Candidates {
  readonly #urls: readonly string[]
  readonly #transports: readonly Transport[]
  #url = 0
  #transport = 0
  #vain = 0
  #vainMs = 0

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
    this.#use(0)
  }

  /** An attempt is over. `vainMs`: how long it took where it brought nothing, else undefined. */
  lost(vainMs: number | undefined): void {
    const { length } = this.#urls
    this.#url = (this.#url + 1) % length
    this.#vain = vainMs === undefined ? 0 : this.#vain + 1
    this.#vainMs = vainMs === undefined ? 0 : this.#vainMs + vainMs
    const { attempts = Math.max(leastAttempts, 2 * length) } = this.current.transport
    if (this.#vain >= attempts || this.#vainMs >= mostMs * length) {
      this.#use((this.#transport + 1) % this.#transports.length)
    }
  }

  #use(transport: number): void {
    this.#transport = transport
    this.#vain = 0
    this.#vainMs = 0
  }
}

/** Else all clients of a list would be at its first gateway, and all of that one's at the next once it is gone. */
export function shuffled(urls: readonly string[], random: Random): string[] {
  return urls
    .map((url) => ({ url, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ url }) => url)
}
