import type { SlabQueue } from './slab-queue.ts'

/** One tier of a window. */
export interface SlabHolder {
  readonly slabs: SlabQueue
  /** Whether nothing is appended any more: then its newest slab is not spared either. */
  readonly isSealed: boolean
  /** Drops at least the contents of the oldest slab, and gives the slab back. */
  giveUpOldest(): void
}

/**
 * The slabs of one tier, shared by all windows of a pool: a fixed number of one size. `take`
 * returns a free slab or, when there is none, the slab that was filled first in any window. So
 * all windows reach equally far back in time, whatever their load.
 *
 * A window's newest slab, which it is still filling, is spared. It is taken only for a window
 * without slabs while every other window holds just that one.
 */
export class SlabTier {
  /** Total slabs. */
  readonly size: number
  readonly holders: SlabHolder[] = []
  /** Slabs taken from the window that held them, counted since the start. */
  taken = 0
  /** Slabs never used: their memory is untouched. */
  #untouched: number
  readonly #free: number[] = []
  /**
   * Time at which each slab was filled, ms. For a slab that is still being filled, the time at
   * which that began.
   */
  readonly #filledMs: Float64Array

  constructor(size: number) {
    this.size = size
    this.#untouched = size
    this.#filledMs = new Float64Array(size)
  }

  get free(): number {
    return this.#free.length + this.#untouched
  }

  join(holder: SlabHolder): void {
    this.holders.push(holder)
  }

  leave(holder: SlabHolder): void {
    this.holders.splice(this.holders.indexOf(holder), 1)
  }

  /** Takes a slab for `holder`, whose newest slab is full. */
  take(holder: SlabHolder, nowMs: number): number {
    if (holder.slabs.count > 0) this.#filledMs[holder.slabs.newest] = nowMs
    if (this.free === 0) {
      this.taken++
      this.#victim(holder).giveUpOldest()
    }
    const slab = this.#free.pop() ?? this.size - this.#untouched--
    this.#filledMs[slab] = nowMs
    return slab
  }

  giveBack(slab: number): void {
    this.#free.push(slab)
  }

  #victim(taker: SlabHolder): SlabHolder {
    const spares = (holder: SlabHolder) => (holder === taker || holder.isSealed ? 0 : 1)
    return this.#oldest((holder) => holder.slabs.count > spares(holder)) ?? this.#oldest(hasAny)!
  }

  #oldest(mayGive: (holder: SlabHolder) => boolean): SlabHolder | undefined {
    let found: SlabHolder | undefined
    let leastMs = Number.POSITIVE_INFINITY
    for (const holder of this.holders) {
      if (!mayGive(holder)) continue
      const filledMs = this.#filledMs[holder.slabs.oldest]!
      if (found !== undefined && filledMs >= leastMs) continue
      found = holder
      leastMs = filledMs
    }
    return found
  }
}

const hasAny = ({ slabs }: SlabHolder): boolean => slabs.count > 0
