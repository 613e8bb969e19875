import type { Timing } from '../base/clock.ts'
import type { Candidate } from './candidates.ts'
import type { Connection } from './connection.ts'

/** The first try comes so long after the connection over the lesser transport, ms; each later one twice as long after the one before. */
const firstMs = 10_000
const mostMs = 600_000

/**
 * While a transport works that is not the best one, tries the best one beside it: what is connected is left only once the better one
 * has answered. A gateway that was restarting is left on a lesser transport for seconds; a network that blocks WebSockets, or lets them open and
 * nothing more, is asked rarely.
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

  /** Once, until it is stopped. Only transports that can be opened for nobody can be tried. */
  tryLater(candidate: Candidate | undefined): void {
    if (candidate?.transport.separate !== true || this.#cancel !== undefined) return
    this.#cancel = this.#clock.after(this.#waitMs, () => this.#try(candidate))
  }

  /** The better one has worked. */
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
