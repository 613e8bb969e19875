import { addressGroup, addressText } from '../base/address.ts'
import type { Clock } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { type TimingWheel, WheelTimer } from '../base/wheel.ts'
import { LeakyBucket } from './leaky-bucket.ts'
import type { Connection } from './listener.ts'

/**
 * Burst of cuts that an address may have before its next connections wait, as ms at the allowed
 * rate.
 */
const savedMs = 2000

export interface PenaltyOptions {
  readonly clock: Pick<Clock, 'monotonicMs'>
  readonly wheel: TimingWheel
  readonly random: Random
  /** Allowed rate of cuts for one address. */
  readonly maxCutsPerSecond: number
  /** Called when a connection of this address must wait. */
  held(address: string): void
}

interface Waiting {
  readonly connection: Connection
  /** Index in the list of waiting connections; `gone` once it no longer waits. */
  at: number
}

const gone = -1

/** State of an address whose connections were recently cut. */
interface Penalty {
  /** Each cut fills the bucket with the ms in which one cut is allowed. */
  readonly bucket: LeakyBucket
  readonly waiting: Waiting[]
  readonly timer: WheelTimer
}

/**
 * Slows down clients that are cut for what they send and reconnect at once (reconnect floods). uWS
 * reads everything that arrives on a WebSocket, so a flood costs most until it is cut, and nothing
 * else slows it down. Once connections of one address are cut more often than `maxCutsPerSecond`,
 * its next connections are admitted at that rate. The next one to be read from is chosen at
 * random, so that other clients at the same address are admitted as well. uWS closes a connection
 * that has not sent a request 10 to 12 s after it was accepted.
 */
export class CutPenalties {
  readonly #options: PenaltyOptions
  readonly #cutMs: number
  readonly #penalties = new Map<string, Penalty>()

  constructor(options: PenaltyOptions) {
    this.#options = options
    this.#cutMs = 1000 / options.maxCutsPerSecond
  }

  /** Notes that a connection of this address was cut. */
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

  /**
   * Makes a connection that was just accepted wait if its address has a penalty. Returns whether
   * it waits.
   */
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

  /** Reads from all waiting connections and clears the penalties. */
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

  /** Charges one cut. The level is capped, so that an address is free soon after its last cut. */
  #charge({ bucket }: Penalty): void {
    bucket.fill(this.#cutMs, this.#nowMs, savedMs + this.#cutMs)
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs()
  }
}

/** Removes an entry in O(1): the last one takes its place. */
function take(list: Waiting[], entry: Waiting): void {
  const last = list.pop()!
  if (last !== entry) {
    list[entry.at] = last
    last.at = entry.at
  }
  entry.at = gone
}
