import type { Random } from '../base/random.ts'
import type { Transport } from './connection.ts'

/** One combination of a gateway and a transport. */
export interface Candidate {
  readonly url: string
  readonly transport: Transport
}

/** Least number of consecutive fruitless attempts, over all URLs, before the next transport. */
const leastAttempts = 3
/**
 * Fewer attempts are enough once they took this long together, ms per URL: a proxy that has held
 * the answer back for this long will not pass it on.
 */
const mostMs = 10_000

/**
 * Chooses the next gateway and transport. Each loss moves to the next URL. Only several
 * consecutive fruitless attempts move to the next transport: a restarting gateway is no reason to
 * give up the WebSocket.
 */
export class Candidates {
  readonly #urls: readonly string[]
  readonly #transports: readonly Transport[]
  #url = 0
  #transport = 0
  #vain = 0
  #vainMs = 0

  /** Both lists are in order of preference and hold at least one element. */
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

  /** The best transport at the current URL; undefined when it is in use already. */
  get better(): Candidate | undefined {
    return this.#transport === 0 ? undefined : { url: this.current.url, transport: this.#transports[0]! }
  }

  useBetter(): void {
    this.#use(0)
  }

  /** Records a lost attempt. `vainMs`: duration of a fruitless attempt, else undefined. */
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

/**
 * Shuffles the URLs. Otherwise all clients with the same list would use its first gateway, and all
 * of them would move to the same next one when it fails.
 */
export function shuffled(urls: readonly string[], random: Random): string[] {
  return urls
    .map((url) => ({ url, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ url }) => url)
}
