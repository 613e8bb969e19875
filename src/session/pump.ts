import type { LoopClock } from '../base/clock.ts'

/** Work that runs in slices; `run` returns true while there is more. */
export interface Runnable {
  /** Whether it is in the queue. Only the pump sets it. */
  queued: boolean
  run(): boolean
}

/**
 * Maximum slices, and maximum time in ms, before the event loop runs again: bounds the wait of a
 * live event.
 */
const slicesPerTurn = 64
const turnMs = 0.5

/**
 * Runs sessions that are behind in turn, one slice each. It is fair between sessions, and delays
 * live delivery by one turn at most, plus the slice that ends the turn.
 */
export class Pump {
  readonly #clock: Pick<LoopClock, 'turn' | 'monotonicMs'>
  #queue: Runnable[] = []
  #at = 0
  #scheduled = false
  readonly #turn = (): void => this.#runTurn()

  /** If the clock does not advance while slices run, only the number of slices bounds a turn. */
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

  /** Runs `then` once everything queued now has had its slice. */
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
