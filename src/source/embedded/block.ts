import { crc32 } from 'node:zlib'
import { maxRecordOverheadBytes, type PreparedRecord, writeRecord } from './record.ts'

/**
 * A block is the value of one key in the store: consecutive records of one partition. LMDB has no
 * checksums, so a block begins with one, over all the bytes that follow it:
 *
 *     0 crc32 u32 | 4 version u32 | 8 count u32 | 12 ms from first to last record u32 | 16 ms of the first f64 |
 *     24 base offset f64 | 32 records (record.ts)
 *
 * Numbers are little-endian. The base offset is in the key too, so that a block under a wrong key is
 * detected.
 */
const version = 1
export const blockHeaderBytes = 32
/**
 * Bounds blocks of records of a few bytes, so that a turn of a tail and a search within a block
 * stay short.
 */
const maxBlockRecords = 1000

/** Header of a block with a valid checksum. */
export interface BlockHeader {
  readonly count: number
  readonly firstMs: number
  readonly lastMs: number
}

/**
 * Returns the header; undefined if the bytes are not the block that was written with this base
 * offset.
 */
export function readHeader(block: Buffer, base: number): BlockHeader | undefined {
  if (block.length < blockHeaderBytes || block.readUInt32LE(0) !== crc32(block.subarray(4))) return undefined
  if (block.readUInt32LE(4) !== version || block.readDoubleLE(24) !== base) return undefined
  const firstMs = block.readDoubleLE(16)
  return { count: block.readUInt32LE(8), firstMs, lastMs: firstMs + block.readUInt32LE(12) }
}

/** Collects records into a block; one scratch buffer serves all blocks in turn. */
export class BlockBuilder {
  readonly #scratch: Buffer
  readonly #blockBytes: number
  #end = blockHeaderBytes
  #firstMs = 0
  #lastMs = 0
  count = 0

  constructor(blockBytes: number, maxEventBytes: number) {
    this.#blockBytes = blockBytes
    this.#scratch = Buffer.alloc(blockHeaderBytes + Math.max(blockBytes, maxRecordOverheadBytes + maxEventBytes))
  }

  /** Returns whether the record fits into the same block; the first one always does. */
  fits(record: PreparedRecord, timeMs: number): boolean {
    if (this.count === 0) return true
    if (this.count === maxBlockRecords || timeMs - this.#firstMs > 0xffff_ffff) return false
    return this.#end + record.bytes <= this.#blockBytes
  }

  /** Adds a record. `timeMs` must not be below that of the record before. */
  add(record: PreparedRecord, timeMs: number): void {
    if (this.count === 0) this.#firstMs = timeMs
    this.#end = writeRecord(this.#scratch, this.#end, record, timeMs - this.#firstMs)
    this.#lastMs = timeMs
    this.count++
  }

  /**
   * Returns the block as a separate buffer, because the store reads it until the commit is done.
   * The builder is empty afterwards.
   */
  take(base: number): Buffer {
    const block = Buffer.from(this.#scratch.subarray(0, this.#end))
    block.writeUInt32LE(version, 4)
    block.writeUInt32LE(this.count, 8)
    block.writeUInt32LE(this.#lastMs - this.#firstMs, 12)
    block.writeDoubleLE(this.#firstMs, 16)
    block.writeDoubleLE(base, 24)
    block.writeUInt32LE(crc32(block.subarray(4)), 0)
    this.#end = blockHeaderBytes
    this.count = 0
    return block
  }
}
