import type { LoopClock } from '../../src/base/clock.ts'

/** Time that passes when a test says so. */
export class ManualClock implements LoopClock {
  #ms = 1_000_000
  #tasks: { at: number; task: () => void }[] = []

  nowUs(): number {
    return this.#ms * 1000
  }

  monotonicMs(): number {
    return this.#ms
  }

  after(ms: number, task: () => void): () => void {
    const entry = { at: this.#ms + ms, task }
    this.#tasks.push(entry)
    return () => {
      this.#tasks = this.#tasks.filter((other) => other !== entry)
    }
  }

  turn(task: () => void): void {
    setImmediate(task)
  }

  /** Tasks that wait for their time. */
  get waiting(): number {
    return this.#tasks.length
  }

  /** Runs what is due on the way, in order, and lets promises settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.#ms + ms
    for (;;) {
      const due = this.#tasks.filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.#tasks = this.#tasks.filter((other) => other !== due)
      this.#ms = Math.max(this.#ms, due.at)
      due.task()
      await settled()
    }
    this.#ms = end
    await settled()
  }
}

/** Lets everything that waits for promises and immediates run. */
export async function settled(): Promise<void> {
  for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve))
}
