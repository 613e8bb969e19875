import type { LoopClock } from '../base/clock.ts'

/** Something with work to do in slices; `run` returns true while there is more. */
export interface Runnable {
  /** In the queue already; the pump's. */
  queued: boolean
  run(): boolean
}

/** Slices run before the event loop gets its turn, and for how long at most, ms: what a live event may have to wait for. */
const slicesPerTurn = 64
const turnMs = 0.5

/**
 * Runs sessions that are behind, in turn, a slice each: fair between sessions, and never in the way of live delivery for longer than
 * one turn, and the slice that ends it.
 */
export class Pump {
  readonly #clock: Pick<LoopClock, 'turn' | 'monotonicMs'>
  #queue: Runnable[] = []
  #at = 0
  #scheduled = false
  readonly #turn = (): void => this.#runTurn()

  /** A clock that stands still while slices run bounds a turn in slices only. */
  constructor(clock: Pick<LoopClock, 'turn' | 'monotonicMs'>) {
    this.#clock = clock
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
    this.#clock.turn(this.#turn)
  }

  /** Runs `then` once all that waits now had its slice. */
  afterRound(then: () => void): void {
    const run = (): boolean => {
      then()
      return false
    }
    this.add({ queued: false, run })
  }

  #runTurn(): void {
    const end = Math.min(this.#queue.length, this.#at + slicesPerTurn)
    const endMs = this.#clock.monotonicMs() + turnMs
    do {
      const item = this.#queue[this.#at++]!
      item.queued = false
      if (item.run()) this.add(item)
    } while (this.#at < end && this.#clock.monotonicMs() < endMs)
    this.#compact()
    this.#scheduled = this.length > 0
    if (this.#scheduled) this.#clock.turn(this.#turn)
  }

  #compact(): void {
    if (this.#at === this.#queue.length) {
      this.#queue = []
      this.#at = 0
    } else if (this.#at > 1024 && this.#at * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#at)
      this.#at = 0
    }
  }
}
