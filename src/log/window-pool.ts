import { type Allocate, ownMemory } from './allocate.ts'
import { EntryArena } from './entry-arena.ts'
import { PayloadArena } from './payload-arena.ts'
import type { Generations } from './record.ts'
import type { SlabTier } from './slab-tier.ts'

export interface PoolOptions {
  /**
   * Memory for payloads, bytes: events, their traceparents, and a 16-byte header each. The pool
   * uses whole slabs only.
   */
  readonly payloadBytes: number
  /**
   * Size of a payload slab, bytes. The largest event must fit, see `payloadSlabBytes`. A power of
   * two if `payloadBytes` exceeds 1 GiB.
   */
  readonly payloadSlabBytes: number
  /** Capacity of the index in records, in whole slabs; `bytesPerEntry` each. */
  readonly entries: number
  /** Records per slab of the index, a power of two. */
  readonly slabEntries: number
  /**
   * What the records' `generation` means; default `ranges`. `times` takes 4 more bytes per
   * record.
   */
  readonly generations?: Generations
  /** Allocator of the memory; default `ownMemory`. */
  readonly allocate?: Allocate
}

/** Entries per slab of a gateway's index: 32 KiB. Evicting one slab takes about 50 µs. */
export const slabEntries = 1024
/** Minimum slabs per window in each tier: one to fill, one to keep. */
export const leastSlabs = 2
/** Minimum size of a payload slab, bytes. */
const minSlabBytes = 262_144

/** Maximum overhead of an event, bytes: header, traceparent, padding. */
export const slackBytes = 16 + 256 + 8

/**
 * Returns the size of a slab that holds any event. An event never crosses the end of a slab: if
 * it doesn't fit, it starts the next one.
 */
export function payloadSlabBytes(maxEventBytes: number): number {
  return Math.max(minSlabBytes, 2 ** Math.ceil(Math.log2(maxEventBytes + slackBytes)))
}

/**
 * One tier: its limit in bytes, bytes in slabs that windows hold, and slabs taken from a window.
 */
export interface PoolTierFigures {
  readonly limitBytes: number
  readonly heldBytes: number
  readonly taken: number
}

/**
 * The memory of all windows of a process: two budgets, each given out in slabs to any window on
 * demand. The operating system commits a slab's memory on the first write. The pool never returns
 * memory and never exceeds its budgets.
 */
export class WindowPool {
  readonly payloads: PayloadArena
  readonly entries: EntryArena
  /** Monotonic clock, ms, for the age of slabs. */
  readonly nowMs: () => number

  constructor(options: PoolOptions, nowMs: () => number = () => 0) {
    const { payloadBytes, payloadSlabBytes, entries, slabEntries, generations, allocate = ownMemory } = options
    this.payloads = new PayloadArena(payloadBytes, payloadSlabBytes, allocate)
    this.entries = new EntryArena({ entries, slabEntries, withTimes: generations === 'times' }, allocate)
    this.nowMs = nowMs
  }

  /** Number of windows that share the pool and are still appended to. */
  get windows(): number {
    return this.payloads.tier.holders.reduce((count, { isSealed }) => count + (isSealed ? 0 : 1), 0)
  }

  /**
   * Whether the budgets are too small for the number of windows: they would then keep taking each
   * other's newest slabs.
   */
  get isShort(): boolean {
    return Math.min(this.payloads.tier.size, this.entries.tier.size) < leastSlabs * this.windows
  }

  figures(): { payload: PoolTierFigures; index: PoolTierFigures } {
    const { payloads, entries } = this
    return {
      payload: figuresOf(payloads.tier, payloads.slabBytes),
      index: figuresOf(entries.tier, entries.slabBytes),
    }
  }
}

function figuresOf({ size, free, taken }: SlabTier, slabBytes: number): PoolTierFigures {
  return { limitBytes: size * slabBytes, heldBytes: (size - free) * slabBytes, taken }
}
