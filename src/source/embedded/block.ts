import { crc32 } from 'node:zlib'
import { maxRecordOverheadBytes, type PreparedRecord, writeRecord } from './record.ts'

/**
 * A block is what the store keeps under one key: consecutive records of one partition. LMDB has no checksums of its own,
 * so a block has one, over all that follows it:
 *
 *     0 crc32 u32 | 4 version u32 | 8 count u32 | 12 ms from first to last record u32 | 16 ms of the first f64 |
 *     24 base offset f64 | 32 records (record.ts)
 *
 * Numbers are little-endian. The base offset is in the key too: a block that lies under a wrong key is found out.
 */
const version = 1
export const blockHeaderBytes = 32
/** Of records of a few bytes, so that a turn of a tail and the search within a block stay short. */
const maxBlockRecords = 1000

/** What a block says of itself, its checksum being right. */
export interface BlockHeader {
  readonly count: number
  readonly firstMs: number
  readonly lastMs: number
}

/** Undefined when the bytes are not the block that was written with this base offset. */
export function readHeader(block: Buffer, base: number): BlockHeader | undefined {
  if (block.length < blockHeaderBytes || block.readUInt32LE(0) !== crc32(block.subarray(4))) return undefined
  if (block.readUInt32LE(4) !== version || block.readDoubleLE(24) !== base) return undefined
  const firstMs = block.readDoubleLE(16)
  return { count: block.readUInt32LE(8), firstMs, lastMs: firstMs + block.readUInt32LE(12) }
}

/** Gathers records into a block; one scratch buffer serves all blocks, one after the other. */
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

  /** Whether the record belongs into the same block; the first one always does. */
  fits(record: PreparedRecord, timeMs: number): boolean {
    if (this.count === 0) return true
    if (this.count === maxBlockRecords || timeMs - this.#firstMs > 0xffff_ffff) return false
    return this.#end + record.bytes <= this.#blockBytes
  }

  /** `timeMs` is never below that of the record before. */
  add(record: PreparedRecord, timeMs: number): void {
    if (this.count === 0) this.#firstMs = timeMs
    this.#end = writeRecord(this.#scratch, this.#end, record, timeMs - this.#firstMs)
    this.#lastMs = timeMs
    this.count++
  }

  /** The block as a buffer of its own, since the store reads it until the commit is done; the builder is empty then. */
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
