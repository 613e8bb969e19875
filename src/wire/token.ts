import { CarillonError } from '../base/errors.ts'
import { unknownGeneration } from '../base/generation.ts'
import { fnv1a } from '../base/hash.ts'
import { quoted } from '../base/shortened.ts'
import { decodeBase64, encodeBase64Url } from './base64.ts'
import { parseRfc3339 } from './rfc3339.ts'
import { type Cursor, cursorValue, readVarint, writeVarint } from './varint.ts'

/**
 * Tokens: positions as an opaque, URL-safe string. A token holds no secret and is not trusted. Its
 * check detects accidents (a cut, a changed character), not forgery.
 *
 * In base64url without padding, version 2:
 *
 *     one position
 *       2g  name:4  incarnation:4  partition:varint  offset:0..7 bytes  generation:g bytes  check:1
 *         g = 0 to 4, or 5 = generation unknown (no bytes); offset and generation big-endian,
 *         without leading zeros; at most 24 bytes = 32 characters while partition < 2^21
 *     any other number
 *       28  { name:4  incarnation:4  count:varint  { entry }* }*  check:1
 *         entry = partition  offset  generation + 1 : varints, where 0 = generation unknown
 *         sorted by name, incarnation, partition
 *
 * name and incarnation are hashes, see `hashOf`.
 *
 * The check is a CRC-8: it detects every change within eight adjacent bits, so any single changed
 * character.
 */
export interface Position {
  /** Hash of the stream's name, see `hashOf`. */
  readonly nameHash: number
  /** Hash of the stream's incarnation: a stream that is created again has another one. */
  readonly incarnationHash: number
  readonly partition: number
  /** The next offset to read, below 2^53. */
  readonly offset: number
  /** Identifies the log's history below the offset, below 2^32; `unknownGeneration` = unknown. */
  readonly generation: number
}

/** One incarnation of a stream. */
export type Log = Pick<Position, 'nameHash' | 'incarnationHash'>

/** A partition of a stream in any incarnation. */
export type Partition = Pick<Position, 'nameHash' | 'partition'>

/**
 * A position in this partition is one in the stream's growth. Its offset is the number of
 * partitions that were reported to its holder. From it a gateway sees which subjects have moved
 * since.
 */
export const growthPartition = 0x7fffffff

export const isGrowth = ({ partition }: Position): boolean => partition === growthPartition

/**
 * The generation is 0 if a session that reads the stream sets the position. It is unknown if the
 * token only carries it through.
 */
export const growthPosition = (
  { nameHash, incarnationHash }: Log,
  partitions: number,
  generation = unknownGeneration,
): Position => ({ nameHash, incarnationHash, partition: growthPartition, offset: partitions, generation })

const version = 2
const versionBits = version << 4
const withoutGeneration = 5
const listForm = 8
/** Bytes of form, name and incarnation. */
const headBytes = 1 + 4 + 4

/**
 * Maximum positions in all tokens of a session together. A token with more is refused before it
 * is read.
 */
export const maxPositions = 1024
/**
 * Maximum bytes of a position in a list: its own name, incarnation and count, and three varints.
 */
const maxPositionBytes = 4 + 4 + 1 + 5 + 8 + 5
/** Maximum characters of a token. */
export const maxTokenLength = Math.ceil(((maxPositions * maxPositionBytes + 2) * 4) / 3)

/** x^8 + x^2 + x + 1. */
const crcTable = new Uint8Array(256)
for (let i = 0; i < 256; i++) {
  let crc = i
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x80 ? (crc << 1) ^ 0x07 : crc << 1
  crcTable[i] = crc
}

/** Starts at a nonzero value, so that leading zeros count. */
function crc8(bytes: Uint8Array, length: number): number {
  let crc = 0xff
  for (let i = 0; i < length; i++) crc = crcTable[crc ^ bytes[i]!]!
  return crc
}

const encoder = new TextEncoder()

/** Returns 32 bits of a stream's name or of its incarnation: FNV-1a. */
export function hashOf(text: string): number {
  const bytes = encoder.encode(text)
  return fnv1a(bytes, 0, bytes.length)
}

export const logOf = (stream: string, incarnation: string): Log => ({
  nameHash: hashOf(stream),
  incarnationHash: hashOf(incarnation),
})

export const isSameLog = (a: Log, b: Log): boolean =>
  a.nameHash === b.nameHash && a.incarnationHash === b.incarnationHash

/** Compares without the incarnation. */
export const isSamePartition = (a: Partition, b: Partition): boolean =>
  a.partition === b.partition && a.nameHash === b.nameHash

const scratch = new Uint8Array(32)

/** Encodes one position, once for each live record. */
export function encodePosition(position: Position): string {
  const { generation } = position
  const generationBytes = generation < 0 ? 0 : byteCount(generation)
  scratch[0] = versionBits | (generation < 0 ? withoutGeneration : generationBytes)
  let at = writeVarint(scratch, writeLog(scratch, 1, position), position.partition)
  at = writeUint(scratch, at, position.offset, byteCount(position.offset))
  at = writeUint(scratch, at, generation, generationBytes)
  scratch[at] = crc8(scratch, at)
  return encodeBase64Url(scratch, at + 1)
}

/** Encodes any number of positions, each of a different (log, partition). */
export function encodeToken(positions: readonly Position[]): string {
  if (positions.length === 1) return encodePosition(positions[0]!)
  const sorted = positions.toSorted(byLogAndPartition)
  const bytes = new Uint8Array(2 + sorted.length * maxPositionBytes)
  bytes[0] = versionBits | listForm
  let at = 1
  for (let first = 0; first < sorted.length; ) {
    const log = sorted[first]!
    let end = first
    while (end < sorted.length && isSameLog(sorted[end]!, log)) end++
    at = writeVarint(bytes, writeLog(bytes, at, log), end - first)
    for (; first < end; first++) at = writeEntry(bytes, at, sorted[first]!)
  }
  bytes[at] = crc8(bytes, at)
  return encodeBase64Url(bytes, at + 1)
}

const byLogAndPartition = (a: Position, b: Position): number =>
  a.nameHash - b.nameHash || a.incarnationHash - b.incarnationHash || a.partition - b.partition

function writeLog(bytes: Uint8Array, at: number, { nameHash, incarnationHash }: Log): number {
  // Shifts cost half as much as `writeUint`; this runs once for each live record.
  for (let shift = 24, i = at; shift >= 0; shift -= 8, i++) {
    bytes[i] = nameHash >>> shift
    bytes[i + 4] = incarnationHash >>> shift
  }
  return at + 8
}

function writeEntry(bytes: Uint8Array, at: number, position: Position): number {
  const afterOffset = writeVarint(bytes, writeVarint(bytes, at, position.partition), position.offset)
  return writeVarint(bytes, afterOffset, Math.max(unknownGeneration, position.generation) + 1)
}

/**
 * Decodes a token. Throws `bad_token` for text that is damaged, of another version, or not a
 * token.
 */
export function decodeToken(text: string): Position[] {
  if (text.length > maxTokenLength) {
    throw badToken(text, `it has ${text.length} characters, the maximum is ${maxTokenLength}`)
  }
  const bytes = /^[A-Za-z0-9_-]+$/.test(text) ? decodeBase64(text) : undefined
  if (bytes === undefined) throw badToken(text, 'it is not base64url')
  const end = bytes.length - 1
  if (end < 1 || crc8(bytes, end) !== bytes[end]) {
    throw badToken(text, 'its check does not match: it was changed or cut; send it exactly as received')
  }
  const form = bytes[0]! ^ versionBits
  if (form === listForm) return decodeList(text, bytes, end)
  if (form <= withoutGeneration) return [decodeSingle(text, bytes, end, form)]
  const came = bytes[0]! >> 4
  if (came === version) throw badToken(text, 'its form is unknown')
  throw badToken(
    text,
    `it is of version ${came}, but only version ${version} is supported; start at "latest", "earliest" or a time`,
  )
}

function decodeSingle(text: string, bytes: Uint8Array, end: number, form: number): Position {
  const generationBytes = form === withoutGeneration ? 0 : form
  const cursor: Cursor = { at: headBytes, low: 0, high: 0 }
  if (end < headBytes || !readVarint(bytes, end, cursor)) throw badToken(text, 'it ends too early')
  const partition = inPartition(text, cursorValue(cursor))
  const offsetEnd = end - generationBytes
  if (offsetEnd < cursor.at) throw badToken(text, 'it ends too early')
  if (offsetEnd - cursor.at > 7) throw badToken(text, 'its offset has more than 7 bytes')
  const offset = inOffset(text, readUint(bytes, cursor.at, offsetEnd))
  const generation = form === withoutGeneration ? unknownGeneration : readUint(bytes, offsetEnd, end)
  return { ...readLog(bytes, 1), partition, offset, generation }
}

function decodeList(text: string, bytes: Uint8Array, end: number): Position[] {
  const positions: Position[] = []
  const cursor: Cursor = { at: 1, low: 0, high: 0 }
  const next = (): number => {
    if (!readVarint(bytes, end, cursor)) throw badToken(text, 'it ends too early')
    return cursorValue(cursor)
  }
  while (cursor.at < end) {
    if (cursor.at + 8 > end) throw badToken(text, 'it ends too early')
    const log = readLog(bytes, cursor.at)
    cursor.at += 8
    const count = next()
    if (positions.length + count > maxPositions) throw tooMany(positions.length + count)
    for (let i = 0; i < count; i++) {
      const partition = inPartition(text, next())
      const offset = inOffset(text, next())
      positions.push({ ...log, partition, offset, generation: inGeneration(text, next() - 1) })
    }
  }
  return positions
}

const readLog = (bytes: Uint8Array, at: number): Log => ({
  nameHash: readUint(bytes, at, at + 4),
  incarnationHash: readUint(bytes, at + 4, at + 8),
})

/** Returns the prefix that `keyOf` has in all incarnations. */
export const partitionKeyOf = ({ nameHash, partition }: Partition): string => `${nameHash}/${partition}/`

/** Returns the key of the position's log and partition. */
export const keyOf = (position: Position): string => partitionKeyOf(position) + position.incarnationHash

/**
 * Merges lists into one with one position per (log, partition): the last that names it. So a
 * client of a pattern can send all tokens in the order in which it received them: that of
 * `subscribed`, then the newest of each partition.
 */
export function mergeTokens(lists: readonly (readonly Position[])[]): Position[] {
  const merged = new Map<string, Position>()
  for (const list of lists) {
    for (const position of list) merged.set(keyOf(position), position)
  }
  return [...merged.values()]
}

/** Where a client asks to start. */
export type After =
  | { readonly kind: 'latest' }
  | { readonly kind: 'earliest' }
  | { readonly kind: 'time'; readonly timeMs: number }
  | { readonly kind: 'positions'; readonly positions: readonly Position[] }

/**
 * Parses the values of `after`: none = latest; any number of tokens, merged; or one of `latest`,
 * `earliest`, `@<RFC 3339 time>`. Throws `bad_token` for anything else, and for a mix of kinds.
 */
export function parseAfter(after: readonly string[]): After {
  const first = after[0]
  if (first === undefined) return { kind: 'latest' }
  if (!isKeyword(first) && !after.some(isKeyword)) return { kind: 'positions', positions: positionsOf(after) }
  if (after.some((text) => text !== first)) {
    const got = after
      .slice(0, 4)
      .map((text) => quoted(text))
      .join(', ')
    throw new CarillonError('bad_token', `after: expected tokens, or one of latest, earliest and @time; got ${got}`)
  }
  if (first === 'latest' || first === 'earliest') return { kind: first }
  const timeMs = parseRfc3339(first.slice(1))
  if (timeMs !== undefined) return { kind: 'time', timeMs }
  const example = '@2026-01-31T12:00:00Z (in a URL a "+" must be written %2B)'
  throw new CarillonError(
    'bad_token',
    `after: expected @ and an RFC 3339 time such as ${example}, got ${quoted(first)}`,
  )
}

function isKeyword(text: string): boolean {
  return text === 'latest' || text === 'earliest' || text.startsWith('@')
}

function positionsOf(tokens: readonly string[]): Position[] {
  const lists: Position[][] = []
  let count = 0
  for (const token of tokens) {
    const positions = decodeToken(token)
    count += positions.length
    if (count > maxPositions) throw tooMany(count)
    lists.push(positions)
  }
  return mergeTokens(lists)
}

/** Returns the bytes of an integer below 2^56 without leading zeros; 0 takes none. */
function byteCount(value: number): number {
  let count = 0
  for (let rest = value; rest >= 1; rest /= 256) count++
  return count
}

/** Writes big-endian. */
function writeUint(bytes: Uint8Array, at: number, value: number, count: number): number {
  let rest = value
  for (let i = at + count - 1; i >= at; i--) {
    bytes[i] = rest % 256
    rest = Math.floor(rest / 256)
  }
  return at + count
}

function readUint(bytes: Uint8Array, start: number, end: number): number {
  let value = 0
  for (let i = start; i < end; i++) value = value * 256 + bytes[i]!
  return value
}

function inPartition(text: string, value: number): number {
  if (value > 0x7fffffff) throw badToken(text, 'its partition is out of range')
  return value
}

function inOffset(text: string, value: number): number {
  if (!Number.isSafeInteger(value)) throw badToken(text, 'its offset is out of range')
  return value
}

function inGeneration(text: string, value: number): number {
  if (value > 0xffffffff) throw badToken(text, 'its generation is out of range')
  return value
}

function badToken(text: string, fault: string): CarillonError {
  return new CarillonError(
    'bad_token',
    `after: expected a token, latest, earliest or @time, got ${quoted(text)}: ${fault}`,
  )
}

function tooMany(count: number): CarillonError {
  return new CarillonError(
    'bad_token',
    `after: expected at most ${maxPositions} positions in all tokens together, got ${count}`,
  )
}
