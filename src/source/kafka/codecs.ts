import { gunzipSync, zstdDecompressSync } from 'node:zlib'
import { decompressFrameSync } from 'lz4-napi'
import { uncompressSync } from 'snappy'

/** Bits 0–2 of a batch's attributes. */
export const codec = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const

/**
 * The records of a compressed batch. Throws when they are damaged, or when they would take more than `maxBytes`: a batch of
 * a megabyte can claim gigabytes, and none of these decoders may be asked to find out.
 */
export function decompress(kind: number, bytes: Buffer, maxBytes: number): Buffer {
  switch (kind) {
    case codec.gzip:
      return gunzipSync(bytes, { maxOutputLength: maxBytes })
    case codec.snappy:
      return isXerial(bytes) ? decompressXerial(bytes, maxBytes) : decompressSnappy(bytes, 0, bytes.length, maxBytes)
    case codec.lz4:
      return decompressLz4(bytes, maxBytes)
    case codec.zstd:
      return zstdDecompressSync(bytes, { maxOutputLength: maxBytes })
    default:
      throw new RangeError(`expected a codec from 0 to 4, got ${kind}`)
  }
}

function tooLarge(bytes: number, maxBytes: number): RangeError {
  return new RangeError(`expected at most ${maxBytes} bytes decompressed, got ${bytes} or more`)
}

// Snappy: Java frames blocks as its xerial library does, others send one raw block.

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
const xerialHeaderBytes = 16

function isXerial(bytes: Buffer): boolean {
  return bytes.length >= xerialHeaderBytes && xerialMagic.compare(bytes, 0, xerialMagic.length) === 0
}

function decompressXerial(bytes: Buffer, maxBytes: number): Buffer {
  const blocks: Buffer[] = []
  let total = 0
  for (let at = xerialHeaderBytes; at < bytes.length; ) {
    const length = bytes.readInt32BE(at)
    at += 4
    if (length <= 0 || at + length > bytes.length) throw new RangeError('a snappy block ends outside of its batch')
    const block = decompressSnappy(bytes, at, at + length, maxBytes - total)
    total += block.length
    blocks.push(block)
    at += length
  }
  return blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks, total)
}

function decompressSnappy(bytes: Buffer, start: number, end: number, maxBytes: number): Buffer {
  const length = snappyLength(bytes, start, end)
  if (length > maxBytes) throw tooLarge(length, maxBytes)
  return uncompressSync(bytes.subarray(start, end), { asBuffer: true }) as Buffer
}

/** A raw snappy block begins with its decompressed length, a varint. */
function snappyLength(bytes: Buffer, start: number, end: number): number {
  let length = 0
  for (let i = 0; i < 5 && start + i < end; i++) {
    const byte = bytes[start + i]!
    length += (byte & 127) * 2 ** (7 * i)
    if (byte < 128) return length
  }
  throw new RangeError('a snappy block without its length')
}

// LZ4 frames (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md)

const lz4Magic = 0x184d2204
/** Each input byte of LZ4 adds at most 255 bytes of output. */
const lz4Ratio = 255
const uncompressedBit = 0x80000000

function decompressLz4(bytes: Buffer, maxBytes: number): Buffer {
  const bound = lz4Bound(bytes)
  if (bound > maxBytes) throw tooLarge(bound, maxBytes)
  return decompressFrameSync(bytes)
}

/** What the frame's blocks can decompress to at most: all but its last are full as a rule, so this is close. */
function lz4Bound(bytes: Buffer): number {
  if (bytes.length < 7 || bytes.readUInt32LE(0) !== lz4Magic) throw new RangeError('expected an LZ4 frame')
  const flags = bytes[4]!
  const blockChecksumBytes = (flags & 0x10) === 0 ? 0 : 4
  const contentSizeBytes = (flags & 0x08) === 0 ? 0 : 8
  const blockSize = 1 << (8 + 2 * ((bytes[5]! >> 4) & 7))
  let bound = 0
  for (let at = 7 + contentSizeBytes; at + 4 <= bytes.length; ) {
    const word = bytes.readUInt32LE(at)
    if (word === 0) return bound
    const length = word & ~uncompressedBit & 0x7fffffff
    bound += word >= uncompressedBit ? length : Math.min(blockSize, length * lz4Ratio)
    at += 4 + length + blockChecksumBytes
  }
  throw new RangeError('an LZ4 frame without its end')
}
