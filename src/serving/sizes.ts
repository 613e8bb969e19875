import { bytesPerEntry } from '../log/entry-arena.ts'
import type { Generations } from '../log/record.ts'
import { type PoolOptions, payloadSlabBytes, slabEntries } from '../log/window-pool.ts'
import type { ReadBackOptions } from '../session/options.ts'

/** Memory of all windows, bytes. */
export interface WindowBudgets {
  readonly payloadBytes: number
  readonly indexBytes: number
  /**
   * Size of a payload slab; by default large enough for any event, and for its management to be
   * worthwhile.
   */
  readonly payloadSlabBytes?: number
  /** Records in an index slab; a power of two. */
  readonly slabEntries?: number
}

/** Minimum sizes of a read-back chunk, and minimum number of chunks kept. */
export interface ChunkFloors {
  /** Bytes that one read requests; by default large enough for any event. */
  readonly chunkBytes?: number
  /** Records in a chunk. */
  readonly entries: number
  /** Space for payloads; by default 1.25 times the bytes read, plus 64 KiB. */
  readonly payloadBytes?: number
  readonly chunks: number
}

export const chunkFloors: ChunkFloors = { entries: 1024, chunks: 2 }
/** Space for payloads in addition to 1.25 times the bytes read. */
const spareBytes = 65_536

export interface ReadBackBudgets extends Omit<ReadBackOptions, 'chunks'> {
  /** Memory of all chunks, payloads and index, including those being read. */
  readonly cacheBytes: number
  /** `chunkFloors` by default; smaller values are for tests of the limits. */
  readonly floors?: Partial<ChunkFloors>
}

/**
 * Record bytes for each entry of a chunk's index: with smaller records, a chunk holds fewer than
 * were requested.
 */
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

/** Options of chunk reads, and of each chunk's pool: one slab of each tier. */
export interface ChunkSizes {
  readonly options: ReadBackOptions
  readonly pool: PoolOptions
}

export function chunkSizes(budgets: ReadBackBudgets, maxEventBytes: number, generations: Generations): ChunkSizes {
  const { cacheBytes, floors, ...options } = budgets
  const least = { chunkBytes: maxEventBytes, ...chunkFloors, ...floors }
  const chunkBytes = Math.max(options.chunkBytes, least.chunkBytes)
  const entries = 2 ** Math.ceil(Math.log2(Math.max(least.entries, chunkBytes / bytesPerRecord)))
  // Values of 100 bytes and more fill it. Shorter ones need more space beside their bytes, so a
  // read of them is cut short.
  const payloadBytes = least.payloadBytes ?? Math.ceil(1.25 * chunkBytes) + spareBytes
  const chunks = Math.floor(cacheBytes / (payloadBytes + entries * bytesPerEntry(generations)))
  return {
    options: { ...options, chunkBytes, chunks: Math.max(least.chunks, chunks - options.concurrency) },
    pool: { payloadBytes, payloadSlabBytes: payloadBytes, entries, slabEntries: entries, generations },
  }
}
