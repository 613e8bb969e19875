import type { Clock } from '../../base/clock.ts'

/** For how long a broker leaves one connection unread, because a quota is used up (KIP-219). */
export class QuotaPause {
  readonly #clock: Clock
  readonly #waiting = new Set<() => void>()
  /** When it ends, monotonic ms; 0 = there was none. */
  untilMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** What is left of it, ms; 0 and less = it is over. */
  get leftMs(): number {
    return this.untilMs - this.#clock.monotonicMs()
  }

  begin(ms: number): void {
    this.untilMs = this.#clock.monotonicMs() + ms
  }

  /** Resolves after so long, or once the connection is given up. */
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

  /** Nobody waits any longer. */
  giveUp(): void {
    for (const end of [...this.#waiting]) end()
  }
}
