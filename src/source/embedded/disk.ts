import type { Batch } from './batch.ts'

/**
 * What the embedded log asks of its database (lmdb.ts): `facts` are small JSON values under a name, `blocks` are bytes under
 * (stream id, partition, base offset). Reads are synchronous, and may share a snapshot until `refresh`: one turn of the event loop at most.
 */
export interface Disk {
  /** For people. */
  readonly dir: string

  fact(key: string): unknown
  /** Those whose names begin with `prefix`, in order, under the rest of their names. */
  factsUnder(prefix: string): [string, unknown][]

  /** The block with exactly this base offset: a view that is valid until the next read. */
  block(id: number, partition: number, base: number): Buffer | undefined
  /** The highest base offset ≤ `offset`. */
  baseAtOrBelow(id: number, partition: number, offset: number): number | undefined
  /** Up to `limit` base offsets ≥ `offset`, ascending. */
  basesFrom(id: number, partition: number, offset: number, limit: number): number[]
  /** Reads see the newest commit from here on. */
  refresh(): void

  /**
   * Stores all of the batch or nothing, and resolves once it is durable; its blocks are read until then. Rejects with what the system
   * said. One at a time.
   */
  write(batch: Batch): Promise<void>
  /** What the file system has left, bytes. */
  freeBytes(): Promise<number>
  /** Resolves when the files are closed. */
  close(): Promise<void>
}
