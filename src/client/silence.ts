import type { Timing } from '../base/clock.ts'

/** What to say of a connection that was given up. */
export const silent = 'silent for too long'

/** Notices that a connection has gone quiet: a half-open one reports no error, it just says nothing more. */
export class Silence {
  readonly #clock: Timing
  readonly #onSilent: () => void
  #limitMs = 0
  #heardMs = 0
  #cancel: (() => void) | undefined

  constructor(clock: Timing, onSilent: () => void) {
    this.#clock = clock
    this.#onSilent = onSilent
  }

  /** From now on, `onSilent` is called once when nothing was heard for `limitMs`. */
  start(limitMs: number): void {
    this.stop()
    this.#limitMs = limitMs
    this.heard()
    this.#wait(limitMs)
  }

  heard(): void {
    this.#heardMs = this.#clock.monotonicMs()
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  // One timer for all that is heard meanwhile: it is set anew only when it has run out.
  #wait(ms: number): void {
    this.#cancel = this.#clock.after(ms, () => {
      const leftMs = this.#heardMs + this.#limitMs - this.#clock.monotonicMs()
      if (leftMs > 0) this.#wait(leftMs)
      else this.#onSilent()
    })
  }
}
