import { absent } from '../base/absent.ts'
import type { ByteRange } from '../base/byte-range.ts'
import { sequenceLength } from '../base/utf8.ts'

/**
 * Validates JSON text as bytes (RFC 8259), so that a frame can include an event's data unchanged:
 * parsing and printing would lose digits of large numbers.
 */

export const jsonText = {
  invalid: 0,
  /** Valid, on one line. */
  line: 1,
  /** Valid, with line breaks between tokens (JSON strings contain none). */
  lines: 2,
} as const
export type JsonText = (typeof jsonText)[keyof typeof jsonText]

/** Maximum nesting of arrays and objects. Some clients' parsers fail soon above it. */
export const maxJsonDepth = 128

// One scan at a time runs, to its end. Each function below returns the index after what it read,
// or -1.
let bytes: Uint8Array = /* @__PURE__ */ new Uint8Array(0)
let end = 0
let broken = false
/** Member names, one inside the other, that lead to the wanted value. */
let path: readonly Buffer[] = []
const offPath = Number.POSITIVE_INFINITY
/** The wanted value's range; `absent` = not found. */
let foundStart = absent
let foundEnd = absent

/**
 * Returns whether bytes [from, to) are exactly one JSON value in UTF-8. Nesting beyond
 * `maxJsonDepth` is invalid.
 */
export function scanJson(buffer: Uint8Array, from: number, to: number): JsonText {
  path = []
  return scan(buffer, from, to)
}

/**
 * As `scanJson`, and sets `member` to the text of the member that `names` lead to, or to `absent`.
 * The last one of a repeated name counts, as in JSON.parse.
 */
export function scanMember(member: ByteRange, names: readonly Buffer[]): JsonText {
  const { bytes: buffer, start, end: to } = member
  path = names
  foundStart = absent
  foundEnd = absent
  const judged = scan(buffer, start, to)
  member.set(buffer, foundStart, foundEnd)
  return judged
}

function scan(buffer: Uint8Array, from: number, to: number): JsonText {
  bytes = buffer
  end = to
  broken = false
  const after = value(space(from), 0, 0)
  if (after === -1 || space(after) !== end) return jsonText.invalid
  return broken ? jsonText.lines : jsonText.line
}

function space(from: number): number {
  let at = from
  for (; at < end; at++) {
    const byte = bytes[at]!
    if (byte > 0x20) break
    if (byte === 0x0a || byte === 0x0d) broken = true
    else if (byte !== 0x20 && byte !== 0x09) break
  }
  return at
}

/** `step`: how many names of the path led here, or `offPath`. */
function value(at: number, depth: number, step: number): number {
  if (at >= end || depth > maxJsonDepth) return -1
  switch (bytes[at]) {
    case 0x22:
      return string(at + 1)
    case 0x7b:
      return object(at + 1, depth, step)
    case 0x5b:
      return array(at + 1, depth)
    case 0x74:
      return literal(at, 'true')
    case 0x66:
      return literal(at, 'false')
    case 0x6e:
      return literal(at, 'null')
    default:
      return number(at)
  }
}

function object(from: number, depth: number, step: number): number {
  let at = space(from)
  if (at < end && bytes[at] === 0x7d) return at + 1
  for (;;) {
    if (at >= end || bytes[at] !== 0x22) return -1
    const name = at + 1
    at = string(name)
    if (at === -1) return -1
    const isOnPath = step < path.length && isName(name, at - 1, path[step]!)
    at = space(at)
    if (at >= end || bytes[at] !== 0x3a) return -1
    at = space(at + 1)
    at = isOnPath ? member(at, depth + 1, step + 1) : value(at, depth + 1, offPath)
    if (at === -1) return -1
    at = space(at)
    if (at >= end) return -1
    if (bytes[at] === 0x7d) return at + 1
    if (bytes[at] !== 0x2c) return -1
    at = space(at + 1)
  }
}

/** Scans a value on the path. It replaces what an earlier one of its name led to. */
function member(at: number, depth: number, step: number): number {
  foundStart = absent
  foundEnd = absent
  const behind = value(at, depth, step)
  if (step === path.length) {
    foundStart = at
    foundEnd = behind
  }
  return behind
}

/** Whether the string between the quotes, [start, to), is `name`. */
function isName(start: number, to: number, name: Buffer): boolean {
  for (let at = start; at < to; at++) if (bytes[at] === 0x5c) return isEscapedName(start, to, name)
  if (to - start !== name.length) return false
  for (let i = 0; i < name.length; i++) if (bytes[start + i] !== name[i]) return false
  return true
}

/** Escapes make a name longer: six bytes for a character at most. */
function isEscapedName(start: number, to: number, name: Buffer): boolean {
  if (to - start > 6 * name.length) return false
  return JSON.parse(Buffer.from(bytes.subarray(start - 1, to + 1)).toString()) === name.toString()
}

function array(from: number, depth: number): number {
  let at = space(from)
  if (at < end && bytes[at] === 0x5d) return at + 1
  for (;;) {
    at = value(at, depth + 1, offPath)
    if (at === -1) return -1
    at = space(at)
    if (at >= end) return -1
    if (bytes[at] === 0x5d) return at + 1
    if (bytes[at] !== 0x2c) return -1
    at = space(at + 1)
  }
}

function string(from: number): number {
  const text = bytes
  const last = end
  for (let at = from; at < last; ) {
    const byte = text[at]!
    if (byte === 0x22) return at + 1
    if (byte < 0x20) return -1
    if (byte === 0x5c) {
      at = escaped(at + 1)
      if (at === -1) return -1
    } else if (byte < 0x80) at++
    else {
      const length = sequenceLength(text, at, last)
      if (length === 0) return -1
      at += length
    }
  }
  return -1
}

function escaped(at: number): number {
  if (at >= end) return -1
  switch (bytes[at]) {
    case 0x22: // "
    case 0x5c: // \
    case 0x2f: // /
    case 0x62: // b
    case 0x66: // f
    case 0x6e: // n
    case 0x72: // r
    case 0x74: // t
      return at + 1
    case 0x75: // u
      for (let i = 1; i <= 4; i++) if (at + i >= end || !isHex(bytes[at + i]!)) return -1
      return at + 5
    default:
      return -1
  }
}

function isHex(byte: number): boolean {
  return isDigit(byte) || (byte >= 0x41 && byte <= 0x46) || (byte >= 0x61 && byte <= 0x66)
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39
}

function literal(at: number, text: string): number {
  if (end - at < text.length) return -1
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text.charCodeAt(i)) return -1
  return at + text.length
}

function number(from: number): number {
  let at = bytes[from] === 0x2d ? from + 1 : from
  const first = at
  at = digits(at)
  if (at === first || (bytes[first] === 0x30 && at > first + 1)) return -1
  if (at < end && bytes[at] === 0x2e) {
    const after = digits(at + 1)
    if (after === at + 1) return -1
    at = after
  }
  if (at >= end || (bytes[at]! | 0x20) !== 0x65) return at
  at++
  if (at < end && (bytes[at] === 0x2b || bytes[at] === 0x2d)) at++
  const after = digits(at)
  return after === at ? -1 : after
}

function digits(from: number): number {
  const text = bytes
  let at = from
  while (at < end && isDigit(text[at]!)) at++
  return at
}
