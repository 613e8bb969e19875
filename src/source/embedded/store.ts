import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { type Database, open, type RootDatabase } from 'lmdb'
import type { Clock } from '../../base/clock.ts'
import { CarillonError } from '../../base/errors.ts'

/** A stream as it is stored. Ids are never used again, so that a deleted stream's blocks can't come back under a new one. */
export interface StoredStream {
  readonly id: number
  readonly incarnation: string
  readonly partitions: number
}

/** A partition's bounds as they are stored, in the same transaction as the blocks that they bound. */
export interface StoredBounds {
  /** Lowest offset of which a block is there; ≤ `first`. */
  readonly base: number
  readonly first: number
  readonly head: number
  /** Of the blocks from `base` on. */
  readonly bytes: number
  /** The last record's time, ms: times never go back, not even when the clock does. */
  readonly timeMs: number
}

const noBounds: StoredBounds = { base: 0, first: 0, head: 0, bytes: 0, timeMs: 0 }

/** What LMDB's binding rejects with; the promise within rejects with the cause. */
interface CommitError extends Error {
  readonly commitError?: Promise<unknown>
}

interface BlockWrite {
  readonly id: number
  readonly partition: number
  readonly base: number
  /** Null drops the block. */
  readonly block: Buffer | null
}

/** The writes of one transaction. */
export class Batch {
  readonly blocks: BlockWrite[] = []
  readonly facts = new Map<string, unknown>()
  bytes = 0

  putBlock(id: number, partition: number, base: number, block: Buffer): void {
    this.blocks.push({ id, partition, base, block })
    this.bytes += block.length
  }

  dropBlock(id: number, partition: number, base: number): void {
    this.blocks.push({ id, partition, base, block: null })
  }

  putStream(name: string, stream: StoredStream): void {
    this.facts.set(streamKey(name), stream)
  }

  putLastId(id: number): void {
    this.facts.set(lastIdKey, id)
  }

  /** Takes the name away at once; the blocks are swept later, also by another process after a crash. */
  doom(name: string, stream: StoredStream): void {
    this.facts.set(streamKey(name), undefined)
    this.facts.set(doomedKey(stream.id), stream.partitions)
  }

  /** The doomed stream's blocks are gone: nothing is left of it. */
  bury(id: number, partitions: number): void {
    for (let partition = 0; partition < partitions; partition++) this.facts.set(boundsKey(id, partition), undefined)
    this.facts.set(doomedKey(id), undefined)
  }

  putBounds(id: number, partition: number, bounds: StoredBounds): void {
    this.facts.set(boundsKey(id, partition), bounds)
  }
}

const streamPrefix = 'stream/'
const doomedPrefix = 'doomed/'
const lastIdKey = 'last-id'
const touchedKey = 'touched'
const streamKey = (name: string) => `${streamPrefix}${name}`
const doomedKey = (id: number) => `${doomedPrefix}${id}`
const boundsKey = (id: number, partition: number) => `bounds/${id}/${partition}`

/** Space that must be free beside a commit's own bytes: copied tree pages and the file system's bookkeeping. */
const spareBytes = 256 << 10
/** While the disk is full, commits are tried this often, ms, even when it shows no free space: there may be some in the file. */
const fullRetryMs = 1000
const notFull = -1

/**
 * LMDB as the embedded log needs it: `facts` are small JSON values under a name, `blocks` are bytes under (stream id,
 * partition, base offset). A commit is durable when it resolves: `overlappingSync` is off, so data and meta page are synced
 * before. What a read returns is overwritten by the next read.
 */
export class Store {
  readonly #dir: string
  readonly #clock: Clock
  readonly #root: RootDatabase
  readonly #facts: Database<unknown, string>
  readonly #blocks: Database<Buffer, Uint8Array>
  readonly #key = Buffer.alloc(14)
  readonly #endKey = Buffer.alloc(14)
  #last: Promise<void> = Promise.resolve()
  #closed = false
  /** Monotonic ms of the last commit that the disk had no room for. */
  #fullSinceMs = notFull

  constructor(dir: string, clock: Clock) {
    this.#dir = dir
    this.#clock = clock
    // With `eventTurnBatching` the binding has a promise of its own, which a full disk rejects and nobody can take. Without
    // it a batch is one transaction with one promise.
    this.#root = open(join(dir, 'log'), {
      noSubdir: false,
      overlappingSync: false,
      eventTurnBatching: false,
      maxDbs: 2,
    })
    this.#facts = this.#root.openDB('facts', { encoding: 'json' })
    this.#blocks = this.#root.openDB('blocks', { encoding: 'binary', keyEncoding: 'binary' })
  }

  streams(): [string, StoredStream][] {
    return this.#factsUnder(streamPrefix) as [string, StoredStream][]
  }

  /** Ids and partition counts of deleted streams whose blocks are still there. */
  doomed(): [number, number][] {
    return this.#factsUnder(doomedPrefix).map(([id, partitions]) => [Number(id), partitions as number])
  }

  lastId(): number {
    return (this.#facts.get(lastIdKey) as number | undefined) ?? 0
  }

  bounds(id: number, partition: number): StoredBounds {
    return (this.#facts.get(boundsKey(id, partition)) as StoredBounds | undefined) ?? noBounds
  }

  #factsUnder(prefix: string): [string, unknown][] {
    const found: [string, unknown][] = []
    for (const { key, value } of this.#facts.getRange({ start: prefix, end: `${prefix}\uffff` })) {
      found.push([key.slice(prefix.length), value])
    }
    return found
  }

  /** The block with exactly this base offset: a view that is valid until the next read. */
  block(id: number, partition: number, base: number): Buffer | undefined {
    const bytes = this.#blocks.getBinaryFast(writeKey(this.#key, id, partition, base))
    // LMDB's buffer is larger than what it holds, and only pretends to have its length.
    return bytes === undefined ? undefined : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  /** The highest base offset ≤ `offset`. */
  baseAtOrBelow(id: number, partition: number, offset: number): number | undefined {
    const start = writeKey(this.#key, id, partition, offset)
    const end = writeKey(this.#endKey, id, partition, 0)
    for (const key of this.#blocks.getKeys({ start, end, inclusiveEnd: true, reverse: true, limit: 1 })) {
      return readOffset(key)
    }
    return undefined
  }

  /** Up to `limit` base offsets ≥ `offset`, ascending. */
  basesFrom(id: number, partition: number, offset: number, limit: number): number[] {
    const start = writeKey(this.#key, id, partition, offset)
    const end = writeKey(this.#endKey, id, partition + 1, 0)
    const bases: number[] = []
    for (const key of this.#blocks.getKeys({ start, end, limit })) bases.push(readOffset(key))
    return bases
  }

  /** Reads see the newest commit from here on; otherwise those of one turn of the event loop share a snapshot. */
  refresh(): void {
    this.#root.resetReadTxn()
  }

  /**
   * Runs commits one after the other. `stage` sees the outcome of all before, fills the batch and returns what is to be done
   * once it is durable; both run synchronously. Rejects with `storage_full`, or `broker_unavailable` for other I/O errors;
   * nothing of the batch is stored then.
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
      throw new CarillonError('broker_unavailable', `the embedded log in ${this.#dir} was closed; open it again`)
    }
    const batch = new Batch()
    const apply = stage(batch)
    if (batch.blocks.length > 0 || batch.facts.size > 0) {
      if (this.#fullSinceMs !== notFull) await this.#expectRoom(batch)
      await this.#write(batch)
      this.refresh()
    }
    return apply()
  }

  async #write(batch: Batch): Promise<void> {
    try {
      await this.#root.batch(() => {
        for (const { id, partition, base, block } of batch.blocks) {
          const key = writeKey(this.#key, id, partition, base)
          void (block === null ? this.#blocks.remove(key) : this.#blocks.put(key, block))
        }
        for (const [key, value] of batch.facts) {
          void (value === undefined ? this.#facts.remove(key) : this.#facts.put(key, value))
        }
      })
    } catch (error) {
      throw await this.#failure(error as CommitError, batch)
    }
    this.#fullSinceMs = notFull
  }

  /** LMDB reports a write that a full disk cut short as a plain I/O error, so the file system is asked. */
  async #failure(reason: CommitError, batch: Batch): Promise<CarillonError> {
    let cause: unknown = reason
    // A rejection that nobody takes ends the process.
    reason.commitError?.catch((error) => {
      cause = error
    })
    const free = await this.#freeBytes()
    if (free < batch.bytes + spareBytes) {
      this.#fullSinceMs = this.#clock.monotonicMs()
      return this.#full(free, batch, cause)
    }
    const text = cause instanceof Error ? cause.message : String(cause)
    return new CarillonError('broker_unavailable', `the embedded log in ${this.#dir} could not be written: ${text}`, {
      cause,
    })
  }

  /** Spares a full disk the attempt, but for one a second. */
  async #expectRoom(batch: Batch): Promise<void> {
    const free = await this.#freeBytes()
    if (free >= batch.bytes + spareBytes) return
    if (this.#clock.monotonicMs() - this.#fullSinceMs < fullRetryMs) throw this.#full(free, batch)
    // LMDB reuses a page from the second transaction after the one that freed it on, so after a sweep a small one must pass.
    const touch = new Batch()
    touch.facts.set(touchedKey, this.#clock.nowUs())
    await this.#write(touch)
  }

  async #freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#dir)
    return bavail * bsize
  }

  #full(free: number, batch: Batch, cause?: unknown): CarillonError {
    return new CarillonError(
      'storage_full',
      `expected ${batch.bytes + spareBytes} free bytes for the embedded log in ${this.#dir}, found ${free}; ` +
        'free some space or lower its retention',
      { retryAfterMs: fullRetryMs, cause },
    )
  }

  /** Resolves when what was committed before is through and the files are closed. */
  async close(): Promise<void> {
    await this.#last
    this.#closed = true
    await this.#root.close()
  }
}

/** Big-endian, so that the keys' order is that of the offsets. */
function writeKey(key: Buffer, id: number, partition: number, offset: number): Buffer {
  key.writeUInt32BE(id, 0)
  key.writeUInt16BE(partition, 4)
  key.writeUInt32BE(Math.floor(offset / 2 ** 32), 6)
  key.writeUInt32BE(offset % 2 ** 32, 10)
  return key
}

function readOffset(key: Uint8Array): number {
  const view = new DataView(key.buffer, key.byteOffset, key.byteLength)
  return view.getUint32(6) * 2 ** 32 + view.getUint32(10)
}
