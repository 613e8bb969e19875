import type { Random } from '../base/random.ts'

export interface BackoffOptions {
  /** Upper bound of the first pause, ms; doubled with each failure in a row. */
  readonly firstMs: number
  readonly mostMs: number
}

export const backoffDefaults: BackoffOptions = { firstMs: 250, mostMs: 15_000 }

/** Full jitter: a pause anywhere between nothing and a bound that doubles, so that clients that fell together come back apart. */
export class Backoff {
  readonly #options: BackoffOptions
  readonly #random: Random
  #failures = 0

  constructor(random: Random, options: BackoffOptions = backoffDefaults) {
    this.#random = random
    this.#options = options
  }

  /** The next pause, ms: what the gateway asked for, which it may have asked of all, and the jitter on top. */
  next(retryAfterMs: number): number {
    const { firstMs, mostMs } = this.#options
    const bound = Math.min(mostMs, firstMs * 2 ** this.#failures++)
    return retryAfterMs + this.#random.next() * bound
  }

  /** The connection works. */
  reset(): void {
    this.#failures = 0
  }
}
