import { bytesPerEntry } from '../log/entry-arena.ts'
import type { Generations } from '../log/record.ts'
import { type PoolOptions, payloadSlabBytes, slabEntries } from '../log/window-pool.ts'
import type { ReadBackOptions } from '../session/options.ts'

/** The memory of all windows, bytes. */
export interface WindowBudgets {
  readonly payloadBytes: number
  readonly indexBytes: number
  /** A slab of payloads; one that holds any event, and is worth its management, unless given. */
  readonly payloadSlabBytes?: number
  /** A slab of the index, records; a power of two. */
  readonly slabEntries?: number
}

/** What a chunk of read-back has at least, and how many chunks are kept at least. */
export interface ChunkFloors {
  /** What one read asks for, bytes; any event fits unless given. */
  readonly chunkBytes?: number
  /** Records in a chunk. */
  readonly entries: number
  /** Room for payloads; 1.25 times the bytes that are read and 64 KiB unless given. */
  readonly payloadBytes?: number
  readonly chunks: number
}

export const chunkFloors: ChunkFloors = { entries: 1024, chunks: 2 }
/** Room for payloads beside 1.25 times the bytes that are read. */
const spareBytes = 65_536

export interface ReadBackBudgets extends Omit<ReadBackOptions, 'chunks'> {
  /** Memory for all chunks, payloads and index, those that are being read among them. */
  readonly cacheBytes: number
  /** `chunkFloors` where they are not given: smaller ones are for tests that want to be at their limits. */
  readonly floors?: Partial<ChunkFloors>
}

/** Record bytes that an entry of a chunk's index is there for: of smaller records fewer are in a chunk than were asked for. */
const bytesPerRecord = 128

export function windowPool(budgets: WindowBudgets, maxEventBytes: number, generations: Generations): PoolOptions {
  return {
    payloadBytes: budgets.payloadBytes,
    payloadSlabBytes: budgets.payloadSlabBytes ?? payloadSlabBytes(maxEventBytes),
    entries: Math.floor(budgets.indexBytes / bytesPerEntry(generations)),
    slabEntries: budgets.slabEntries ?? slabEntries,
    generations,
  }
}

/** How chunks are read, and the pool that each has: one slab of each tier. */
export interface ChunkSizes {
  readonly options: ReadBackOptions
  readonly pool: PoolOptions
}

export function chunkSizes(budgets: ReadBackBudgets, maxEventBytes: number, generations: Generations): ChunkSizes {
  const { cacheBytes, floors, ...options } = budgets
  const least = { chunkBytes: maxEventBytes, ...chunkFloors, ...floors }
  const chunkBytes = Math.max(options.chunkBytes, least.chunkBytes)
  const entries = 2 ** Math.ceil(Math.log2(Math.max(least.entries, chunkBytes / bytesPerRecord)))
  // Values of 100 bytes and more fill it; of shorter ones, which need more room beside their bytes, a read is cut short.
  const payloadBytes = least.payloadBytes ?? Math.ceil(1.25 * chunkBytes) + spareBytes
  const chunks = Math.floor(cacheBytes / (payloadBytes + entries * bytesPerEntry(generations)))
  return {
    options: { ...options, chunkBytes, chunks: Math.max(least.chunks, chunks - options.concurrency) },
    pool: { payloadBytes, payloadSlabBytes: payloadBytes, entries, slabEntries: entries, generations },
  }
}
