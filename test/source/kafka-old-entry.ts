import { crc32 } from 'node:zlib'

/** Encodes an uncompressed message of format 0 or 1 with a null key (KIP-32). */
export function oldEntry(magic: 0 | 1, offset: number, value: string): Buffer {
  const bytes = Buffer.from(value)
  const entry = Buffer.alloc(12 + 4 + 2 + 8 * magic + 4 + 4 + bytes.length)
  const keyAt = 18 + 8 * magic
  entry.writeBigInt64BE(BigInt(offset), 0)
  entry.writeInt32BE(entry.length - 12, 8)
  entry.writeInt8(magic, 16)
  if (magic === 1) entry.writeBigInt64BE(1_790_000_000_000n, 18)
  entry.writeInt32BE(-1, keyAt)
  entry.writeInt32BE(bytes.length, keyAt + 4)
  entry.set(bytes, keyAt + 8)
  entry.writeUInt32BE(crc32(entry.subarray(16)), 12)
  return entry
}
