import { type Allocate, ownMemory } from './allocate.ts'
import { EntryArena } from './entry-arena.ts'
import { PayloadArena } from './payload-arena.ts'
import type { Generations } from './record.ts'
import type { SlabTier } from './slab-tier.ts'

export interface PoolOptions {
  /** Memory for payloads, bytes: events, their traceparents and 16 bytes each. Used in whole slabs. */
  readonly payloadBytes: number
  /** A slab of payloads, bytes: the largest event fits, see `payloadSlabBytes`. A power of two where there are more than 1 GiB. */
  readonly payloadSlabBytes: number
  /** Records that the index holds, in whole slabs; `bytesPerEntry` each. */
  readonly entries: number
  /** A slab of the index, records; a power of two. */
  readonly slabEntries: number
  /** What the records' `epoch` is; `epochs` unless given. `times` takes 4 bytes a record more. */
  readonly generations?: Generations
  /** Where the memory is from; `ownMemory` unless given. */
  readonly allocate?: Allocate
}

/** Entries in a slab of a gateway's index: 32 KiB, whose eviction takes some 50 µs at once. */
export const slabEntries = 1024
/** Slabs of each tier that a window needs: one that it fills, one that it keeps. */
export const leastSlabs = 2
/** The least that a slab of payloads takes. */
const minSlabBytes = 262_144

/** What an event may take beside its own bytes: its header, a traceparent and the padding. */
export const slackBytes = 16 + 256 + 8

/** A slab that holds any event: what does not fit behind the others begins the next slab. */
export function payloadSlabBytes(maxEventBytes: number): number {
  return Math.max(minSlabBytes, 2 ** Math.ceil(Math.log2(maxEventBytes + slackBytes)))
}

/** Bytes that there may be, bytes in slabs that windows hold, and slabs that were taken from one. */
export interface PoolTierFigures {
  readonly limitBytes: number
  readonly heldBytes: number
  readonly taken: number
}

/**
 * The memory of all windows of a process: two budgets, each taken as slabs by whichever window needs one. The operating system gives a
 * slab its memory when it is first written; it is never given back, and there is never more.
 */
export class WindowPool {
  readonly payloads: PayloadArena
  readonly entries: EntryArena
  /** A clock that only goes forward, ms: by it slabs are old or young. */
  readonly nowMs: () => number

  constructor(options: PoolOptions, nowMs: () => number = () => 0) {
    const { payloadBytes, payloadSlabBytes, entries, slabEntries, generations, allocate = ownMemory } = options
    this.payloads = new PayloadArena(payloadBytes, payloadSlabBytes, allocate)
    this.entries = new EntryArena({ entries, slabEntries, withTimes: generations === 'times' }, allocate)
    this.nowMs = nowMs
  }

  /** Windows that share it and are added to. */
  get windows(): number {
    return this.payloads.tier.holders.reduce((count, { isSealed }) => count + (isSealed ? 0 : 1), 0)
  }

  /** Whether windows are too many for their budgets: then they take from each other what they have just been given. */
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
