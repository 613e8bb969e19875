import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { type Database, open, type RootDatabase } from 'lmdb'
import type { LoopClock } from '../../base/clock.ts'
import type { Batch } from './batch.ts'
import type { Disk } from './disk.ts'

/** Rejection of LMDB's binding; the promise within rejects with the cause. */
interface CommitError extends Error {
  readonly commitError?: Promise<unknown>
}

/**
 * The database, on LMDB. A commit is durable when it resolves: `overlappingSync` is off, so data
 * and meta page are synced before. Reads return views of a buffer that the next read overwrites.
 */
export class LmdbDisk implements Disk {
  readonly dir: string
  readonly #clock: LoopClock
  readonly #root: RootDatabase
  readonly #facts: Database<unknown, string>
  readonly #blocks: Database<Buffer, Uint8Array>
  readonly #key = Buffer.alloc(14)
  readonly #endKey = Buffer.alloc(14)

  constructor(dir: string, clock: LoopClock) {
    this.dir = dir
    this.#clock = clock
    // With `eventTurnBatching` the binding creates a second promise, which a full disk rejects
    // and which no caller can handle. Without it a batch is one transaction with one promise.
    this.#root = open(join(dir, 'log'), {
      noSubdir: false,
      overlappingSync: false,
      eventTurnBatching: false,
      maxDbs: 2,
    })
    this.#facts = this.#root.openDB('facts', { encoding: 'json' })
    this.#blocks = this.#root.openDB('blocks', { encoding: 'binary', keyEncoding: 'binary' })
  }

  fact(key: string): unknown {
    return this.#facts.get(key)
  }

  factsUnder(prefix: string): [string, unknown][] {
    const found: [string, unknown][] = []
    for (const { key, value } of this.#facts.getRange({ start: prefix, end: `${prefix}\uffff` })) {
      found.push([key.slice(prefix.length), value])
    }
    return found
  }

  block(id: number, partition: number, base: number): Buffer | undefined {
    const bytes = this.#blocks.getBinaryFast(writeKey(this.#key, id, partition, base))
    // LMDB's buffer is larger than its content, and only reports the content's length.
    return bytes === undefined ? undefined : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  baseAtOrBelow(id: number, partition: number, offset: number): number | undefined {
    const start = writeKey(this.#key, id, partition, offset)
    const end = writeKey(this.#endKey, id, partition, 0)
    for (const key of this.#blocks.getKeys({ start, end, inclusiveEnd: true, reverse: true, limit: 1 })) {
      return readOffset(key)
    }
    return undefined
  }

  basesFrom(id: number, partition: number, offset: number, limit: number): number[] {
    const start = writeKey(this.#key, id, partition, offset)
    const end = writeKey(this.#endKey, id, partition + 1, 0)
    const bases: number[] = []
    for (const key of this.#blocks.getKeys({ start, end, limit })) bases.push(readOffset(key))
    return bases
  }

  refresh(): void {
    this.#root.resetReadTxn()
  }

  async write(batch: Batch): Promise<void> {
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
      let cause: unknown = error
      // An unhandled rejection ends the process. This one comes in the same turn, or with the
      // next failure.
      const { commitError } = error as CommitError
      commitError?.catch((reason) => {
        cause = reason
      })
      await new Promise<void>((resolve) => this.#clock.turn(resolve))
      throw cause
    }
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.dir)
    return bavail * bsize
  }

  close(): Promise<void> {
    return this.#root.close()
  }
}

/** Writes a key, big-endian so that keys sort by offset. */
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
