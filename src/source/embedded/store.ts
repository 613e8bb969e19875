import type { Clock } from '../../base/clock.ts'
import { CarillonError } from '../../base/errors.ts'
import {
  Batch,
  boundsKey,
  doomedPrefix,
  lastIdKey,
  type StoredBounds,
  type StoredStream,
  streamPrefix,
  touchedKey,
} from './batch.ts'
import type { Disk } from './disk.ts'

const noBounds: StoredBounds = { base: 0, first: 0, head: 0, bytes: 0, timeMs: 0 }

/**
 * Free space required in addition to a commit's bytes: copied tree pages and the file system's
 * bookkeeping.
 */
export const spareBytes = 256 << 10
/**
 * Interval of commit attempts while the disk is full, ms, even if the file system reports no free
 * space: the file itself may have some.
 */
const fullRetryMs = 1000
const notFull = -1

/**
 * The embedded log's database. Its commits run one after the other, and its failures are
 * CarillonErrors.
 */
export class Store {
  readonly #disk: Disk
  readonly #clock: Clock
  #last: Promise<void> = Promise.resolve()
  #closed = false
  /** Monotonic ms of the last commit that failed because the disk was full. */
  #fullSinceMs = notFull

  constructor(disk: Disk, clock: Clock) {
    this.#disk = disk
    this.#clock = clock
  }

  streams(): [string, StoredStream][] {
    return this.#disk.factsUnder(streamPrefix) as [string, StoredStream][]
  }

  /** Returns ids and partition counts of deleted streams whose blocks are still stored. */
  doomed(): [number, number][] {
    return this.#disk.factsUnder(doomedPrefix).map(([id, partitions]) => [Number(id), partitions as number])
  }

  lastId(): number {
    return (this.#disk.fact(lastIdKey) as number | undefined) ?? 0
  }

  bounds(id: number, partition: number): StoredBounds {
    return (this.#disk.fact(boundsKey(id, partition)) as StoredBounds | undefined) ?? noBounds
  }

  /**
   * Returns the block with exactly this base offset: a view that is valid until the next read.
   */
  block(id: number, partition: number, base: number): Buffer | undefined {
    return this.#disk.block(id, partition, base)
  }

  /** Returns the highest base offset ≤ `offset`. */
  baseAtOrBelow(id: number, partition: number, offset: number): number | undefined {
    return this.#disk.baseAtOrBelow(id, partition, offset)
  }

  /** Returns up to `limit` base offsets ≥ `offset`, ascending. */
  basesFrom(id: number, partition: number, offset: number, limit: number): number[] {
    return this.#disk.basesFrom(id, partition, offset, limit)
  }

  /**
   * Runs commits one after the other. `stage` sees the outcome of all earlier commits, fills the
   * batch and returns the function to call once the batch is durable; both run synchronously.
   * Rejects with `storage_full`, or with `broker_unavailable` for other I/O errors; then nothing
   * of the batch is stored.
   */
  commit<T>(stage: (batch: Batch) => () => T): Promise<T> {
    const done = this.#last.then(() => this.#commit(stage))
    this.#last = done.then(
      () => {},
      () => {},
    )
    return done
  }

  async #commit<T>(stage: (batch: Batch) => () => T): Promise<T> {
    if (this.#closed) {
      throw new CarillonError('broker_unavailable', `the embedded log in ${this.#disk.dir} was closed; open it again`)
    }
    const batch = new Batch()
    const apply = stage(batch)
    if (batch.blocks.length > 0 || batch.facts.size > 0) {
      if (this.#fullSinceMs !== notFull) await this.#expectRoom(batch)
      await this.#write(batch)
      // Callers read the commit as soon as they learn of it, and reads in one turn of the event
      // loop share a snapshot.
      this.#disk.refresh()
    }
    return apply()
  }

  async #write(batch: Batch): Promise<void> {
    try {
      await this.#disk.write(batch)
    } catch (error) {
      throw await this.#failure(error, batch)
    }
    this.#fullSinceMs = notFull
  }

  /**
   * Asks the file system for the cause, because LMDB reports a write that a full disk cut short
   * as a plain I/O error.
   */
  async #failure(cause: unknown, batch: Batch): Promise<CarillonError> {
    const free = await this.#disk.freeBytes()
    if (free < batch.bytes + spareBytes) {
      this.#fullSinceMs = this.#clock.monotonicMs()
      return this.#full(free, batch, cause)
    }
    const text = cause instanceof Error ? cause.message : String(cause)
    const { dir } = this.#disk
    return new CarillonError('broker_unavailable', `the embedded log in ${dir} could not be written: ${text}`, {
      cause,
    })
  }

  /**
   * While the disk is full, throws `storage_full` without a write, except for one attempt every
   * `fullRetryMs`.
   */
  async #expectRoom(batch: Batch): Promise<void> {
    const free = await this.#disk.freeBytes()
    if (free >= batch.bytes + spareBytes) return
    if (this.#clock.monotonicMs() - this.#fullSinceMs < fullRetryMs) throw this.#full(free, batch)
    // LMDB reuses a freed page only from the second transaction after the one that freed it. So a
    // small transaction must succeed after a sweep.
    const touch = new Batch()
    touch.facts.set(touchedKey, this.#clock.nowUs())
    await this.#write(touch)
  }

  #full(free: number, batch: Batch, cause?: unknown): CarillonError {
    return new CarillonError(
      'storage_full',
      `expected ${batch.bytes + spareBytes} free bytes for the embedded log in ${this.#disk.dir}, found ${free}; ` +
        'free some space or lower its retention',
      { retryAfterMs: fullRetryMs, cause },
    )
  }

  /** Resolves when earlier commits are done and the files are closed. */
  async close(): Promise<void> {
    await this.#last
    this.#closed = true
    await this.#disk.close()
  }
}
