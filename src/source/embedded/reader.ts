import type { SourceRecord } from '../../log/record.ts'
import { type BlockHeader, blockHeaderBytes, readHeader } from './block.ts'
import { StoredRecord } from './record.ts'
import type { Store } from './store.ts'
import type { PartitionLog } from './stream.ts'

export interface BlockSink {
  /** Handles a record. False stops the read after it. */
  record(record: SourceRecord): boolean
  /** Reports that [from, to] cannot be read: its block is damaged or missing. */
  lost(from: number, to: number): void
  /**
   * Reports that retention has dropped records below `first`, by a commit that this process has
   * not been notified of yet.
   */
  dropped(first: number): void
}

interface FoundBlock {
  readonly block: Buffer
  readonly base: number
  readonly header: BlockHeader
}

/**
 * Reads blocks. A record is a view of LMDB's own buffer, which the next read overwrites. So
 * nothing may read the store while a sink is called, and every method that a sink may call defers
 * its reads to a later microtask.
 */
export class BlockReader {
  readonly #store: Store
  readonly #record = new StoredRecord()

  constructor(store: Store) {
    this.#store = store
  }

  /**
   * Passes the records of [from, to) in the block that holds `from` to the sink; `from` < `to` ≤
   * head. Returns the offset to read next.
   */
  read(log: PartitionLog, from: number, to: number, sink: BlockSink): number {
    const found = this.find(log, from)
    if (found === undefined) {
      const { first } = this.#store.bounds(log.id, log.partition)
      if (from < first) {
        sink.dropped(first)
        return Math.min(to, first)
      }
      const next = Math.min(to, this.#store.basesFrom(log.id, log.partition, from + 1, 1)[0] ?? to)
      sink.lost(from, next - 1)
      return next
    }
    const { block, base, header } = found
    const record = this.#record
    record.partition = log.partition
    const end = Math.min(to, base + header.count)
    let at = blockHeaderBytes
    for (let offset = base; offset < end; offset++) {
      at = record.read(block, at, header.firstMs)
      if (offset < from) continue
      record.offset = offset
      if (!sink.record(record)) return offset + 1
    }
    return end
  }

  /** Returns the block that holds `offset`, verified; undefined if it is damaged or missing. */
  find(log: PartitionLog, offset: number): FoundBlock | undefined {
    let base: number | undefined = offset
    let block = this.#store.block(log.id, log.partition, offset)
    if (block === undefined) {
      base = this.#store.baseAtOrBelow(log.id, log.partition, offset)
      if (base === undefined) return undefined
      block = this.#store.block(log.id, log.partition, base)
    }
    const header = block && readHeader(block, base)
    if (block === undefined || header === undefined || base + header.count <= offset) return undefined
    return { block, base, header }
  }

  /**
   * Returns the first offset whose time is ≥ `timeMs`, or the head. Times never go back within a
   * partition, so a binary search finds it. A damaged block counts as late enough: a result that
   * is too early is better than one that skips records.
   */
  offsetAt(log: PartitionLog, timeMs: number): number {
    let low = log.bounds.first
    let high = log.bounds.head
    while (low < high) {
      const middle = Math.floor((low + high) / 2)
      const found = this.find(log, middle)
      if (found !== undefined && found.header.lastMs < timeMs) low = found.base + found.header.count
      else if (found !== undefined && found.header.firstMs < timeMs) return this.#firstFrom(found, timeMs, low)
      else high = Math.max(low, found?.base ?? middle)
    }
    return low
  }

  #firstFrom({ block, base, header }: FoundBlock, timeMs: number, low: number): number {
    let at = blockHeaderBytes
    let offset = base
    for (;;) {
      at = this.#record.read(block, at, header.firstMs)
      if (this.#record.timeMs >= timeMs) return Math.max(low, offset)
      offset++
    }
  }
}
