import { gzipSync, zstdCompressSync } from 'node:zlib'
import { crc32c } from '@node-rs/crc32'
import { compressFrameSync } from 'lz4-napi'
import { compressSync } from 'snappy'

/** The fields of a record. `offsetDelta` and `timeDelta` (ms) are relative to the batch. */
export interface RecordSpec {
  readonly offsetDelta: number
  readonly timeDelta?: number
  readonly key?: string | Buffer | null
  readonly value?: string | Buffer | null
  readonly headers?: readonly (readonly [string, string | null])[]
}

export interface BatchSpec {
  readonly base: number
  readonly records: readonly RecordSpec[]
  readonly lastDelta?: number
  readonly epoch?: number
  readonly codec?: 'none' | 'gzip' | 'snappy' | 'snappy-raw' | 'lz4' | 'zstd'
  readonly baseTimeMs?: number
  readonly maxTimeMs?: number
  readonly logAppendTime?: boolean
  readonly transactional?: boolean
  /** 0 = an abort, 1 = a commit, `emptied` = either of them after compaction. */
  readonly marker?: 0 | 1 | 'emptied'
  readonly producerId?: number
}

/** Encodes one record batch of format 2, as a broker stores it. */
export function batch(spec: BatchSpec): Buffer {
  const marked = typeof spec.marker === 'number' ? [markerRecord(spec.marker)] : []
  const specs = spec.marker === undefined ? spec.records : marked
  return stored(spec, specs, compressed(spec.codec ?? 'none', encoded(specs)))
}

/** Encodes a batch whose records `compress` compresses. `spec` names the codec. */
export function compressedBy(spec: BatchSpec, compress: (records: Buffer) => Buffer): Buffer {
  return stored(spec, spec.records, compress(encoded(spec.records)))
}

const encoded = (records: readonly RecordSpec[]) => Buffer.concat(records.map(record))

function stored(spec: BatchSpec, specs: readonly RecordSpec[], body: Buffer): Buffer {
  const header = Buffer.alloc(61)
  header.writeBigInt64BE(BigInt(spec.base), 0)
  header.writeInt32BE(61 - 12 + body.length, 8)
  header.writeInt32BE(spec.epoch ?? 0, 12)
  header.writeInt8(2, 16)
  header.writeInt16BE(attributes(spec), 21)
  header.writeInt32BE(spec.lastDelta ?? specs.at(-1)?.offsetDelta ?? 0, 23)
  header.writeBigInt64BE(BigInt(spec.baseTimeMs ?? 0), 27)
  header.writeBigInt64BE(BigInt(spec.maxTimeMs ?? spec.baseTimeMs ?? 0), 35)
  header.writeBigInt64BE(BigInt(spec.producerId ?? -1), 43)
  header.writeInt32BE(specs.length, 57)
  return sealed(Buffer.concat([header, body]))
}

/** Updates the checksum of a batch to match its content. */
export function sealed(bytes: Buffer): Buffer {
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17)
  return bytes
}

const codecNumbers = { none: 0, gzip: 1, snappy: 2, 'snappy-raw': 2, lz4: 3, zstd: 4 } as const

function attributes({ codec, logAppendTime, transactional, marker }: BatchSpec): number {
  let bits: number = codecNumbers[codec ?? 'none']
  if (logAppendTime === true) bits |= 8
  if (transactional === true || marker !== undefined) bits |= 16
  if (marker !== undefined) bits |= 32
  return bits
}

function compressed(codec: keyof typeof codecNumbers, records: Buffer): Buffer {
  switch (codec) {
    case 'none':
      return records
    case 'gzip':
      return gzipSync(records)
    case 'zstd':
      return zstdCompressSync(records)
    case 'lz4':
      return compressFrameSync(records)
    case 'snappy-raw':
      return compressSync(records)
    case 'snappy':
      return xerial(records)
  }
}

/** Compresses as Java's snappy stream does: a header, then blocks with their lengths. */
export function xerial(records: Buffer): Buffer {
  const parts: Buffer[] = [Buffer.from('82534e41505059000000000100000001', 'hex')]
  const blockBytes = 32 << 10
  for (let at = 0; at < records.length; at += blockBytes) {
    const block = compressSync(records.subarray(at, at + blockBytes))
    const length = Buffer.alloc(4)
    length.writeInt32BE(block.length)
    parts.push(length, block)
  }
  return Buffer.concat(parts)
}

function markerRecord(type: 0 | 1): RecordSpec {
  return { offsetDelta: 0, key: String.fromCharCode(0, 0, 0, type), value: '\0\0\0\0\0\0' }
}

function record({ offsetDelta, timeDelta = 0, key = null, value = null, headers = [] }: RecordSpec): Buffer {
  const parts = [Buffer.alloc(1), varint(timeDelta), varint(offsetDelta), field(key), field(value)]
  parts.push(varint(headers.length))
  for (const [name, text] of headers) parts.push(field(name), field(text))
  const body = Buffer.concat(parts)
  return Buffer.concat([varint(body.length), body])
}

function field(content: string | Buffer | null): Buffer {
  if (content === null) return varint(-1)
  const bytes = typeof content === 'string' ? Buffer.from(content, 'latin1') : content
  return Buffer.concat([varint(bytes.length), bytes])
}

export function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value < 0 ? BigInt(-value) * 2n - 1n : BigInt(value) * 2n
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return Buffer.from(bytes)
}
