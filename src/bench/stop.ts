import { setTimeout as sleep } from 'node:timers/promises'

/**
 * Ends a run early: Ctrl-C, or a problem that makes the rest pointless. The first reason counts.
 */
export class Stop {
  readonly #controller = new AbortController()
  /** The problem that ended the run; undefined = none. */
  problem: string | undefined
  interrupted = false

  get stopped(): boolean {
    return this.#controller.signal.aborted
  }

  interrupt(): void {
    if (this.stopped) return
    this.interrupted = true
    this.#controller.abort()
  }

  fail(problem: string): void {
    if (this.stopped) return
    this.problem = problem
    this.#controller.abort()
  }

  /** Resolves after `ms`, or when the run is stopped. */
  async pause(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#controller.signal }).catch(() => {})
  }

  /** Resolves with the result of `work`, or with undefined when the run is stopped. */
  async unless<T>(work: Promise<T>): Promise<T | undefined> {
    const { signal } = this.#controller
    if (signal.aborted) return undefined
    let stopped: () => void = () => {}
    const stop = new Promise<undefined>((resolve) => {
      stopped = () => resolve(undefined)
      signal.addEventListener('abort', stopped, { once: true })
    })
    // Ignores a failure after the stop.
    work.catch(() => {})
    return await Promise.race([work, stop]).finally(() => signal.removeEventListener('abort', stopped))
  }
}
