import type { Clock } from '../../base/clock.ts'

/** The time for which a broker mutes one connection because a quota is exceeded (KIP-219). */
export class QuotaPause {
  readonly #clock: Clock
  readonly #waiting = new Set<() => void>()
  /** The end of the pause, monotonic ms; 0 = there was none. */
  untilMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** The rest of the pause, ms; ≤ 0 = it is over. */
  get leftMs(): number {
    return this.untilMs - this.#clock.monotonicMs()
  }

  begin(ms: number): void {
    this.untilMs = this.#clock.monotonicMs() + ms
  }

  /** Resolves after `ms`, or when the connection is given up. */
  wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = () => {
        cancel()
        this.#waiting.delete(end)
        resolve()
      }
      const cancel = this.#clock.after(ms, end)
      this.#waiting.add(end)
    })
  }

  /** Resolves all waits at once. */
  giveUp(): void {
    for (const end of [...this.#waiting]) end()
  }
}
