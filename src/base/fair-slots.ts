import { addressGroup } from './address.ts'
import type { Clock } from './clock.ts'

/** Somebody who has a place, or wants one. */
export interface SlotHolder {
  readonly address: string
  /** Has to go: its place is another one's. Called when it has left. */
  evicted(): void
}

interface Held {
  readonly place: SlotHolder
  /** When something came of it last, ms on the monotonic clock. */
  heardMs: number
}

/**
 * A bounded number of places, of which nobody can hold all by being silent: when they are taken, the address with the most of them gives one up,
 * the one that has been silent for longest. To an address with fewer it gives any; to its own, or to one with as many, only one that has been silent for `silentMs`.
 */
export class FairSlots {
  readonly #size: number
  readonly #silentMs: number
  readonly #clock: Pick<Clock, 'monotonicMs'>
  /** By neighbourhood; in each, the longest silent one first. */
  readonly #held = new Map<string, Map<SlotHolder, Held>>()
  #taken = 0

  constructor(size: number, silentMs: number, clock: Pick<Clock, 'monotonicMs'>) {
    this.#size = size
    this.#silentMs = silentMs
    this.#clock = clock
  }

  get taken(): number {
    return this.#taken
  }

  /** False where no place is free and none can be taken from another. */
  take(place: SlotHolder): boolean {
    if (this.#taken >= this.#size) {
      const loser = this.#loserTo(addressGroup(place.address))
      if (loser === undefined) return false
      this.leave(loser)
      loser.evicted()
    }
    this.#taken++
    this.#of(addressGroup(place.address)).set(place, { place, heardMs: this.#clock.monotonicMs() })
    return true
  }

  /** Something came of it. */
  heard(place: SlotHolder): void {
    const own = this.#held.get(addressGroup(place.address))
    const held = own?.get(place)
    if (own === undefined || held === undefined) return
    held.heardMs = this.#clock.monotonicMs()
    own.delete(place)
    own.set(place, held)
  }

  /** Does nothing where it has left before. */
  leave(place: SlotHolder): void {
    const key = addressGroup(place.address)
    const own = this.#held.get(key)
    if (own === undefined || !own.delete(place)) return
    this.#taken--
    if (own.size === 0) this.#held.delete(key)
  }

  #of(key: string): Map<SlotHolder, Held> {
    const own = this.#held.get(key) ?? new Map<SlotHolder, Held>()
    this.#held.set(key, own)
    return own
  }

  #loserTo(key: string): SlotHolder | undefined {
    let most: Map<SlotHolder, Held> = new Map()
    for (const each of this.#held.values()) if (each.size > most.size) most = each
    const [loser] = most.values()
    if (loser === undefined) return undefined
    const isFair = (this.#held.get(key)?.size ?? 0) + 1 < most.size
    return isFair || this.#clock.monotonicMs() - loser.heardMs >= this.#silentMs ? loser.place : undefined
  }
}
