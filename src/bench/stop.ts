import { setTimeout as sleep } from 'node:timers/promises'

/** Ends a run early: Ctrl-C, or something that makes going on pointless. The first reason counts. */
export class Stop {
  readonly #controller = new AbortController()
  /** undefined = none. */
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

  /** Resolves after so long, or when the run is stopped. */
  async pause(ms: number): Promise<void> {
    if (ms > 0) await sleep(ms, undefined, { signal: this.#controller.signal }).catch(() => {})
  }

  /** Resolves when `work` does, or when the run is stopped: then with undefined. */
  async unless<T>(work: Promise<T>): Promise<T | undefined> {
    const { signal } = this.#controller
    if (signal.aborted) return undefined
    let stopped: () => void = () => {}
    const stop = new Promise<undefined>((resolve) => {
      stopped = () => resolve(undefined)
      signal.addEventListener('abort', stopped, { once: true })
    })
    // What comes of it after the stop is nobody's any more.
    work.catch(() => {})
    return await Promise.race([work, stop]).finally(() => signal.removeEventListener('abort', stopped))
  }
}
