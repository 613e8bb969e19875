import type { Timing } from '../base/clock.ts'
import type { Candidate } from './candidates.ts'
import type { Connection } from './connection.ts'

/** Delay of the first try, ms. It doubles with each later one, up to `mostMs`. */
const firstMs = 10_000
const mostMs = 600_000

/**
 * While a lesser transport works, tries the best one beside it. The connection is left only once
 * the better one has answered. After the restart of a gateway, the lesser transport lasts only
 * seconds. A network that blocks WebSockets, or opens them without passing data, sees few tries.
 */
export class TransportUpgrade {
  readonly #clock: Timing
  readonly #found: () => void
  #waitMs = firstMs
  #probe: Connection | undefined
  #cancel: (() => void) | undefined

  constructor(clock: Timing, found: () => void) {
    this.#clock = clock
    this.#found = found
  }

  /**
   * Schedules one try, until it is stopped. Only transports that open without a subscription can
   * be tried.
   */
  tryLater(candidate: Candidate | undefined): void {
    if (candidate?.transport.separate !== true || this.#cancel !== undefined) return
    this.#cancel = this.#clock.after(this.#waitMs, () => this.#try(candidate))
  }

  /** Resets the delay once the better transport has worked. */
  reset(): void {
    this.#waitMs = firstMs
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
    this.#probe?.close()
    this.#probe = undefined
  }

  #try(candidate: Candidate): void {
    this.#waitMs = Math.min(mostMs, this.#waitMs * 2)
    const answered = () => {
      if (this.#probe !== probe) return
      this.stop()
      this.#found()
    }
    const failed = () => {
      if (this.#probe !== probe) return
      this.stop()
      this.tryLater(candidate)
    }
    const probe = candidate.transport.open(
      candidate.url,
      [],
      { frame: answered, position: answered, closed: failed },
      this.#clock,
    )
    this.#probe = probe
  }
}
