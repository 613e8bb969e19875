import type { Random } from '../base/random.ts'

export interface BackoffOptions {
  /** Upper bound of the first pause, ms; doubled with each consecutive failure. */
  readonly firstMs: number
  readonly mostMs: number
}

export const backoffDefaults: BackoffOptions = { firstMs: 250, mostMs: 15_000 }

/**
 * Exponential back-off with full jitter: a pause is random between 0 and a bound that doubles with
 * each failure. Clients that lost their connection together do not reconnect together.
 */
export class Backoff {
  readonly #options: BackoffOptions
  readonly #random: Random
  #failures = 0

  constructor(random: Random, options: BackoffOptions = backoffDefaults) {
    this.#random = random
    this.#options = options
  }

  /**
   * Returns the next pause, ms: the gateway's requested pause plus the jitter, since the gateway
   * may have requested the same pause of all clients.
   */
  next(retryAfterMs: number): number {
    const { firstMs, mostMs } = this.#options
    const bound = Math.min(mostMs, firstMs * 2 ** this.#failures++)
    return retryAfterMs + this.#random.next() * bound
  }

  /** Resets the bound once a connection works. */
  reset(): void {
    this.#failures = 0
  }
}
