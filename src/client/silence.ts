import type { Timing } from '../base/clock.ts'

/** The message of a loss after silence. */
export const silent = 'silent for too long'

/** Detects that a connection has gone quiet: a half-open one reports no error. */
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

  /** Calls `onSilent` once when nothing has been heard for `limitMs` from now on. */
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

  // One timer serves everything heard meanwhile: it is restarted only when it fires.
  #wait(ms: number): void {
    this.#cancel = this.#clock.after(ms, () => {
      const leftMs = this.#heardMs + this.#limitMs - this.#clock.monotonicMs()
      if (leftMs > 0) this.#wait(leftMs)
      else this.#onSilent()
    })
  }
}
