import { gunzipSync, type ZstdOptions, zstdDecompressSync } from 'node:zlib'
import { decompressFrameSync } from 'lz4-napi'
import { uncompressSync } from 'snappy'

/** Bits 0–2 of a batch's attributes. */
export const codec = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const

/** An intact batch that Carillon does not decompress. */
export class Unsupported extends Error {}

/**
 * Decompresses the records of a batch. Throws `Unsupported` if they would take more than
 * `maxBytes`, or if the codec is unknown. A batch of 1 MiB can claim gigabytes (decompression
 * bomb), so the size is checked before or during decompression. Any other error means that the
 * batch is damaged.
 */
export function decompress(kind: number, bytes: Buffer, maxBytes: number): Buffer {
  switch (kind) {
    case codec.gzip:
      return within(maxBytes, () => gunzipSync(bytes, { maxOutputLength: maxBytes }))
    case codec.snappy:
      return isXerial(bytes) ? decompressXerial(bytes, maxBytes) : decompressSnappy(bytes, 0, bytes.length, maxBytes)
    case codec.lz4:
      return decompressFrames(bytes, maxBytes, decompressLz4)
    case codec.zstd:
      return decompressFrames(bytes, maxBytes, decompressZstd)
    default:
      throw new Unsupported(`unsupported compression codec ${kind}`)
  }
}

function tooLarge(maxBytes: number): Unsupported {
  return new Unsupported(`it decompresses to more than ${maxBytes} bytes`)
}

/** Turns zlib's error about the output limit into `Unsupported`. */
function within<T>(maxBytes: number, decompressed: () => T): T {
  try {
    return decompressed()
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE' ? tooLarge(maxBytes) : error
  }
}

/** Joins `blocks`, which have a total of `bytes`. */
function joined(blocks: readonly Buffer[], bytes: number): Buffer {
  return blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks, bytes)
}

// Snappy: Java clients frame blocks in the xerial format, other clients send one raw block.

const xerialMagic = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0])
const xerialHeaderBytes = 16

function isXerial(bytes: Buffer, at = 0): boolean {
  return bytes.length >= at + xerialHeaderBytes && xerialMagic.equals(bytes.subarray(at, at + xerialMagic.length))
}

/** Several xerial streams may follow one another, each with its header. */
function decompressXerial(bytes: Buffer, maxBytes: number): Buffer {
  const blocks: Buffer[] = []
  let total = 0
  for (let at = 0; at < bytes.length; ) {
    if (isXerial(bytes, at)) {
      at += xerialHeaderBytes
      continue
    }
    const length = bytes.readInt32BE(at)
    at += 4
    if (length <= 0 || at + length > bytes.length) throw new RangeError('a snappy block ends outside its batch')
    const block = decompressSnappy(bytes, at, at + length, maxBytes - total)
    total += block.length
    blocks.push(block)
    at += length
  }
  return joined(blocks, total)
}

function decompressSnappy(bytes: Buffer, start: number, end: number, maxBytes: number): Buffer {
  if (snappyLength(bytes, start, end) > maxBytes) throw tooLarge(maxBytes)
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

// LZ4 and zstd: consecutive frames, as streaming compressors write them when they are flushed or
// reopened. Both formats share the skippable frames of RFC 8878, section 3.1.2, and both decoders
// stop after the first frame.

const skippableMagic = 0x184d2a50
const skippableHeaderBytes = 8
/**
 * Limits the time that a batch of empty frames can take: a frame without data costs about 30 µs,
 * and a batch of 1 MiB has room for 100,000.
 */
const maxFrames = 1024

interface Frame {
  readonly records: Buffer
  /** Bytes of the input that the frame took. */
  readonly bytes: number
}

function decompressFrames(
  bytes: Buffer,
  maxBytes: number,
  decompressFrame: (bytes: Buffer, maxBytes: number) => Frame,
): Buffer {
  const blocks: Buffer[] = []
  let total = 0
  for (let at = 0; at < bytes.length; ) {
    const skipped = skippableBytes(bytes, at)
    at += skipped
    if (skipped > 0) continue
    if (blocks.length === maxFrames) throw new Unsupported(`a batch of more than ${maxFrames} compressed frames`)
    const frame = decompressFrame(bytes.subarray(at), maxBytes - total)
    blocks.push(frame.records)
    total += frame.records.length
    at += frame.bytes
  }
  return joined(blocks, total)
}

/** Returns the bytes of the skippable frame at `at`, or 0 if there is none. */
function skippableBytes(bytes: Buffer, at: number): number {
  if (at + skippableHeaderBytes > bytes.length || (bytes.readUInt32LE(at) & 0xfffffff0) !== skippableMagic) return 0
  return skippableHeaderBytes + bytes.readUInt32LE(at + 4)
}

/**
 * With `info`, zlib's synchronous functions also return how many input bytes they read. Its
 * typings leave that out.
 */
const zstdInfo = zstdDecompressSync as unknown as (
  bytes: Buffer,
  options: ZstdOptions & { readonly info: true },
) => { readonly buffer: Buffer; readonly engine: { readonly bytesWritten: number } }

function decompressZstd(bytes: Buffer, maxBytes: number): Frame {
  // zlib rejects a limit of 0, and a frame may be empty.
  const options = { info: true, maxOutputLength: Math.max(1, maxBytes) } as const
  const { buffer, engine } = within(maxBytes, () => zstdInfo(bytes, options))
  return { records: buffer, bytes: engine.bytesWritten }
}

// LZ4 frames (https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md)

const lz4Magic = 0x184d2204
/** Each input byte of LZ4 adds at most 255 bytes of output. */
const lz4Ratio = 255
const uncompressedBit = 0x80000000

function decompressLz4(bytes: Buffer, maxBytes: number): Frame {
  const { end, bound } = lz4Extent(bytes)
  if (bound > maxBytes) throw tooLarge(maxBytes)
  return { records: decompressFrameSync(bytes.subarray(0, end)), bytes: end }
}

/**
 * Returns where the frame ends, and the upper bound of its decompressed size. The bound is close,
 * because all blocks but the last are usually full.
 */
function lz4Extent(bytes: Buffer): { readonly end: number; readonly bound: number } {
  if (bytes.length < 7 || bytes.readUInt32LE(0) !== lz4Magic) throw new RangeError('expected an LZ4 frame')
  const flags = bytes[4]!
  const blockChecksumBytes = (flags & 0x10) === 0 ? 0 : 4
  const contentChecksumBytes = (flags & 0x04) === 0 ? 0 : 4
  const contentSizeBytes = (flags & 0x08) === 0 ? 0 : 8
  const blockSize = 1 << (8 + 2 * ((bytes[5]! >> 4) & 7))
  let bound = 0
  for (let at = 7 + contentSizeBytes; at + 4 <= bytes.length; ) {
    const word = bytes.readUInt32LE(at)
    if (word === 0) return { end: at + 4 + contentChecksumBytes, bound }
    const length = word & ~uncompressedBit & 0x7fffffff
    bound += word >= uncompressedBit ? length : Math.min(blockSize, length * lz4Ratio)
    at += 4 + length + blockChecksumBytes
  }
  throw new RangeError('an LZ4 frame without its end')
}
