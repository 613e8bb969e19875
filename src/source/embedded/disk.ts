import type { Batch } from './batch.ts'

/**
 * The database interface of the embedded log (see lmdb.ts). `facts` are small JSON values under a
 * name. `blocks` are bytes under (stream id, partition, base offset). Reads are synchronous. They
 * may share a snapshot until `refresh`, for one turn of the event loop at most.
 */
export interface Disk {
  /** Directory, for display. */
  readonly dir: string

  fact(key: string): unknown
  /**
   * Returns the facts whose names begin with `prefix`, in order, each with the rest of its name.
   */
  factsUnder(prefix: string): [string, unknown][]

  /**
   * Returns the block with exactly this base offset: a view that is valid until the next read.
   */
  block(id: number, partition: number, base: number): Buffer | undefined
  /** Returns the highest base offset ≤ `offset`. */
  baseAtOrBelow(id: number, partition: number, offset: number): number | undefined
  /** Returns up to `limit` base offsets ≥ `offset`, ascending. */
  basesFrom(id: number, partition: number, offset: number, limit: number): number[]
  /** Makes later reads see the newest commit. */
  refresh(): void

  /**
   * Stores the batch completely or not at all, and resolves once it is durable. Reads the batch's
   * blocks until then. Rejects with the system's error. One write at a time.
   */
  write(batch: Batch): Promise<void>
  /** Returns the free space of the file system, bytes. */
  freeBytes(): Promise<number>
  /** Resolves when the files are closed. */
  close(): Promise<void>
}
