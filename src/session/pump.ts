/** Something with work to do in slices; `run` returns true while there is more. */
export interface Runnable {
  /** In the queue already; the pump's. */
  queued: boolean
  run(): boolean
}

/** Slices run before the event loop gets its turn. */
const slicesPerTurn = 32

/**
 * Runs sessions that are behind, in turn, a slice each: fair between sessions, and never in the way of live delivery for longer than
 * one turn's slices.
 */
export class Pump {
  readonly #defer: (task: () => void) => void
  #queue: Runnable[] = []
  #at = 0
  #scheduled = false
  readonly #turn = (): void => this.#runTurn()

  /** `defer` runs a task soon, after other events had their turn (setImmediate). */
  constructor(defer: (task: () => void) => void) {
    this.#defer = defer
  }

  get length(): number {
    return this.#queue.length - this.#at
  }

  add(item: Runnable): void {
    if (item.queued) return
    item.queued = true
    this.#queue.push(item)
    if (this.#scheduled) return
    this.#scheduled = true
    this.#defer(this.#turn)
  }

  #runTurn(): void {
    const end = Math.min(this.#queue.length, this.#at + slicesPerTurn)
    while (this.#at < end) {
      const item = this.#queue[this.#at++]!
      item.queued = false
      if (item.run()) this.add(item)
    }
    if (this.#at === this.#queue.length) {
      this.#queue = []
      this.#at = 0
    } else if (this.#at > 1024) {
      this.#queue = this.#queue.slice(this.#at)
      this.#at = 0
    }
    this.#scheduled = this.length > 0
    if (this.#scheduled) this.#defer(this.#turn)
  }
}
