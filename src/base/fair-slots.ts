import { addressGroup } from './address.ts'
import type { Clock } from './clock.ts'

/** Holds a slot, or waits for one. */
export interface SlotHolder {
  readonly address: string
  /** Closes the holder, whose slot was given to another one. Called after it has left. */
  evicted(): void
}

interface Held {
  readonly holder: SlotHolder
  /** Time of the last sign of activity, ms on the monotonic clock. */
  heardMs: number
}

/**
 * A bounded number of slots that silent holders can't all occupy. When all are taken, the address
 * with the most slots gives up the one silent for longest. An address that would still have fewer
 * slots gets it at once. Any other address, including that one, gets it only if its holder has
 * been silent for `silentMs`.
 */
export class FairSlots {
  readonly #size: number
  readonly #silentMs: number
  readonly #clock: Pick<Clock, 'monotonicMs'>
  /** By address group; within each, the one silent for longest comes first. */
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

  /** Takes a slot. Returns false if none is free and none can be taken from another holder. */
  take(holder: SlotHolder): boolean {
    if (this.#taken >= this.#size) {
      const victim = this.#victimOf(addressGroup(holder.address))
      if (victim === undefined) return false
      this.leave(victim)
      victim.evicted()
    }
    this.#taken++
    this.#of(addressGroup(holder.address)).set(holder, { holder, heardMs: this.#clock.monotonicMs() })
    return true
  }

  /** Records activity of a holder. */
  heard(holder: SlotHolder): void {
    const group = this.#held.get(addressGroup(holder.address))
    const held = group?.get(holder)
    if (group === undefined || held === undefined) return
    held.heardMs = this.#clock.monotonicMs()
    group.delete(holder)
    group.set(holder, held)
  }

  /** Frees the holder's slot. Does nothing if it has left already. */
  leave(holder: SlotHolder): void {
    const key = addressGroup(holder.address)
    const group = this.#held.get(key)
    if (group === undefined || !group.delete(holder)) return
    this.#taken--
    if (group.size === 0) this.#held.delete(key)
  }

  #of(key: string): Map<SlotHolder, Held> {
    const group = this.#held.get(key) ?? new Map<SlotHolder, Held>()
    this.#held.set(key, group)
    return group
  }

  #victimOf(key: string): SlotHolder | undefined {
    let most: Map<SlotHolder, Held> = new Map()
    for (const each of this.#held.values()) if (each.size > most.size) most = each
    const [victim] = most.values()
    if (victim === undefined) return undefined
    const isFair = (this.#held.get(key)?.size ?? 0) + 1 < most.size
    return isFair || this.#clock.monotonicMs() - victim.heardMs >= this.#silentMs ? victim.holder : undefined
  }
}
