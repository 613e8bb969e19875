import { addressGroup, addressText } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { type TimingWheel, WheelTimer } from '../base/wheel.ts'
import { LeakyBucket } from './leaky-bucket.ts'
import type { Connection } from './listener.ts'

/** For so long an address may be cut as often as it happens before its next connections wait, ms at the rate that is allowed. */
const savedMs = 2000

export interface PenaltyOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly wheel: TimingWheel
  readonly random: Random
  /** Of one address. */
  readonly maxCutsPerSecond: number
  /** A connection of that address waits. */
  held(address: string): void
}

interface Waiting {
  readonly connection: Connection
  /** Its place among those that wait; `gone` once it waits no more. */
  at: number
}

const gone = -1

/** An address of which connections were cut lately. */
interface Penalty {
  /** Each cut fills in what it takes to make up for it. */
  readonly bucket: LeakyBucket
  readonly waiting: Waiting[]
  readonly timer: WheelTimer
}

/**
 * Keeps who is cut for what it sends from coming back at once: uWS reads all that comes on a WebSocket, a flood costs most until it is cut,
 * and nothing else slows it down. Once connections of one address are cut more often than `maxCutsPerSecond`, its further ones are read from at that
 * rate. Any that waits may be next, so that others behind the same address are let in as well. uWS closes a connection that has not sent a request
 * 10 to 12 s after it was accepted.
 */
export class CutPenalties {
  readonly #options: PenaltyOptions
  readonly #cutMs: number
  readonly #penalties = new Map<string, Penalty>()

  constructor(options: PenaltyOptions) {
    this.#options = options
    this.#cutMs = 1000 / options.maxCutsPerSecond
  }

  /** A connection of that address has been cut. */
  cut(address: string): void {
    const key = addressGroup(address)
    let penalty = this.#penalties.get(key)
    if (penalty === undefined) {
      const timer = new WheelTimer(() => this.#letIn(key))
      penalty = { bucket: new LeakyBucket(), waiting: [], timer }
      this.#penalties.set(key, penalty)
      this.#options.wheel.schedule(timer, this.#cutMs)
    }
    this.#charge(penalty)
  }

  /** Has it wait where its address has a penalty; it has been accepted just now. */
  holds(connection: Connection): boolean {
    if (this.#penalties.size === 0) return false
    const address = addressText(connection.getRemoteAddress())
    const penalty = this.#penalties.get(addressGroup(address))
    if (penalty === undefined || (penalty.waiting.length === 0 && this.#isFree(penalty))) return false
    const { waiting } = penalty
    const entry = { connection, at: waiting.length }
    connection.onAborted(() => {
      if (entry.at !== gone) take(waiting, entry)
    })
    connection.pause()
    waiting.push(entry)
    this.#options.held(address)
    return true
  }

  /** All that wait are read from. */
  end(): void {
    for (const { waiting, timer } of this.#penalties.values()) {
      this.#options.wheel.cancel(timer)
      for (const entry of waiting.splice(0)) {
        entry.at = gone
        entry.connection.resume()
      }
    }
    this.#penalties.clear()
  }

  #letIn(key: string): void {
    const penalty = this.#penalties.get(key)!
    const { waiting, timer } = penalty
    while (waiting.length > 0 && this.#isFree(penalty)) {
      const next = waiting[Math.floor(this.#options.random.next() * waiting.length)]!
      take(waiting, next)
      next.connection.resume()
      this.#charge(penalty)
    }
    if (waiting.length === 0 && penalty.bucket.overMs(this.#nowMs, 0) === 0) this.#penalties.delete(key)
    else this.#options.wheel.schedule(timer, this.#cutMs)
  }

  #isFree({ bucket }: Penalty): boolean {
    return bucket.overMs(this.#nowMs, savedMs) === 0
  }

  /** Not for longer than until the next one may come: who stops is free soon. */
  #charge({ bucket }: Penalty): void {
    bucket.fill(this.#cutMs, this.#nowMs, savedMs + this.#cutMs)
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }
}

/** In O(1): the last one takes its place. */
function take(list: Waiting[], entry: Waiting): void {
  const last = list.pop()!
  if (last !== entry) {
    list[entry.at] = last
    last.at = entry.at
  }
  entry.at = gone
}
