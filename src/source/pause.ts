import type { Clock } from '../base/clock.ts'

/** A sleep that can be cut short; one sleeper at a time. */
export class Pause {
  readonly #clock: Clock
  #end: (() => void) | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(ms, () => this.#end?.())
      this.#end = () => {
        this.#end = undefined
        cancel()
        resolve()
      }
    })
  }

  wake(): void {
    this.#end?.()
  }
}

/**
 * Returns the delay before retry number `attempt` (from 0), ms: doubled each time, up to `maxMs`.
 */
export function backOffMs(attempt: number, firstMs: number, maxMs: number): number {
  return Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 16))
}
