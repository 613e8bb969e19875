/**
 * The part of position tokens (docs/protocol.md) that this page needs: reads the positions of a
 * token, and writes one token of the newest position of each partition. On a WebSocket, a delivery
 * carries the position of its own partition only.
 */

const version = 0x20
const listForm = 8
const unknownGeneration = 5

/**
 * Returns a token's positions, `{log, partition, offset, generation}`. `log` is stream and
 * incarnation in hex; generation -1 = unknown.
 */
export function positionsOf(token) {
  const text = atob(token.replaceAll('-', '+').replaceAll('_', '/'))
  const bytes = Uint8Array.from(text, (character) => character.charCodeAt(0))
  const form = bytes[0] ^ version
  if (form === listForm) return readList(bytes)
  const cursor = { at: 9 }
  const partition = readVarint(bytes, cursor)
  const end = bytes.length - 1
  const offsetEnd = form === unknownGeneration ? end : end - form
  const generation = form === unknownGeneration ? -1 : readUint(bytes, offsetEnd, end)
  return [{ log: readLog(bytes, 1), partition, offset: readUint(bytes, cursor.at, offsetEnd), generation }]
}

/** Key of a log's partition: a position replaces the earlier one with the same key. */
export function keyOf({ log, partition }) {
  return `${log}/${partition}`
}

const streamNames = new Map()

/**
 * Remembers the stream's name for the logs of `token`, because frames of other transports have a
 * token and no name.
 */
export function learnStream(token, stream) {
  const logs = new Set(positionsOf(token).map(({ log }) => log))
  if (logs.size === 1) streamNames.set([...logs][0], stream)
}

/** Returns the stream's name for a delivery's token; undefined while it is unknown. */
export function streamOf(token) {
  return streamNames.get(positionsOf(token)[0].log)
}

/** The position of a WebSocket subscription in each partition. */
export class Progress {
  #positions = new Map()

  /** Moves the partitions that a frame's token names to its positions. */
  move(token) {
    for (const position of positionsOf(token)) this.#positions.set(keyOf(position), position)
  }

  clear() {
    this.#positions.clear()
  }

  /** Returns all positions as one token; '' if there are none. */
  token() {
    return this.#positions.size === 0 ? '' : writeList([...this.#positions.values()])
  }
}

function readList(bytes) {
  const positions = []
  const cursor = { at: 1 }
  while (cursor.at < bytes.length - 1) {
    const log = readLog(bytes, cursor.at)
    cursor.at += 8
    for (let left = readVarint(bytes, cursor); left > 0; left--) {
      const partition = readVarint(bytes, cursor)
      const offset = readVarint(bytes, cursor)
      positions.push({ log, partition, offset, generation: readVarint(bytes, cursor) - 1 })
    }
  }
  return positions
}

function writeList(positions) {
  const bytes = [version | listForm]
  const byLog = Map.groupBy(positions, ({ log }) => log)
  for (const log of [...byLog.keys()].sort()) {
    const group = byLog.get(log).sort((a, b) => a.partition - b.partition)
    for (let at = 0; at < log.length; at += 2) bytes.push(Number.parseInt(log.slice(at, at + 2), 16))
    writeVarint(bytes, group.length)
    for (const { partition, offset, generation } of group) {
      for (const value of [partition, offset, generation + 1]) writeVarint(bytes, value)
    }
  }
  bytes.push(crc8(bytes))
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_')
    .replaceAll('=', '')
}

function readLog(bytes, at) {
  return Array.from(bytes.subarray(at, at + 8), (byte) => byte.toString(16).padStart(2, '0')).join('')
}

/** Big-endian, below 2^53. */
function readUint(bytes, start, end) {
  let value = 0
  for (let i = start; i < end; i++) value = value * 256 + bytes[i]
  return value
}

/** Protobuf's base-128 varints, by arithmetic: bit operators end at 32 bits. */
function readVarint(bytes, cursor) {
  let value = 0
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[cursor.at++]
    if (byte === undefined) throw new Error('the token ends too early')
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value
  }
}

function writeVarint(bytes, value) {
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  bytes.push(rest)
}

/** x^8 + x^2 + x + 1, from 0xff. */
function crc8(bytes) {
  let crc = 0xff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : crc << 1
  }
  return crc
}
