import type { SlabQueue } from './slab-queue.ts'

/** A window, as far as one tier is concerned. */
export interface SlabHolder {
  readonly slabs: SlabQueue
  /** Nothing is added to it any more: its newest slab is as any other. */
  readonly isSealed: boolean
  /** Forgets what is in the oldest slab, at least, and gives it back. */
  giveUpOldest(): void
}

/**
 * The slabs of one tier, which all windows of a pool share: so many of one size, and never more. Who needs one gets a free one, or the
 * one that was filled first of all; so all windows reach equally far back in time, however much each of them carries.
 *
 * A window's newest slab, which it is still filling, is spared: it goes only to who has nothing while every window has just that one.
 */
export class SlabTier {
  /** Slabs that there are. */
  readonly size: number
  readonly holders: SlabHolder[] = []
  /** Slabs that were taken from the window which held them. */
  taken = 0
  /** Slabs that were never used: their memory is untouched. */
  #untouched: number
  readonly #free: number[] = []
  /** When each was filled, ms; of one that is being filled, when that began. */
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

  /** A slab for `holder`, which has filled its newest. */
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
