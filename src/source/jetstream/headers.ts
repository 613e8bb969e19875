import { absent } from '../../base/absent.ts'
import { ByteRange } from '../../base/byte-range.ts'
import { CarillonError } from '../../base/errors.ts'
import type { HeaderSink } from '../../log/record.ts'
import type { OutRecord } from '../source.ts'

/**
 * NATS headers: `NATS/1.0`, then lines `Name: value`, each ended by CR LF, and an empty line.
 * Values are bytes without CR and LF.
 */

/** Marks a null key or value, which NATS can't express: `key`, `value` or `key value`. */
export const nullHeader = 'Carillon-Null'
/** Lets the server detect a record that is sent twice. */
const idHeader = 'Nats-Msg-Id'
/**
 * Set by the server: the reason for a record without a payload (its key expired or was deleted).
 */
const markerHeader = 'Nats-Marker-Reason'
/** Headers with this prefix are to or from the server, and are not headers of the record. */
const serverPrefix = 'Nats-'
/** Headers that mark a null key or value, in lower case; readers ignore case. */
const telling: ReadonlySet<string> = new Set([nullHeader, markerHeader].map((header) => header.toLowerCase()))
const trace = 'traceparent'

const [cr, lf, colon, space] = [13, 10, 58, 32]
/** Length of `NATS/1.0` and its CR LF. Status lines (`NATS/1.0 100 …`) don't belong to records. */
const versionBytes = 10

/** Facts from a record's headers about the record itself; one object is reused. */
export class HeaderFacts {
  traceStart = absent
  traceEnd = absent
  nullKey = false
  nullValue = false

  read(bytes: Uint8Array, start: number, end: number): void {
    this.traceStart = absent
    this.traceEnd = absent
    this.nullKey = false
    this.nullValue = false
    for (let at = start + versionBytes; at < end && bytes[at] !== cr; ) {
      const lineEnd = endOfLine(bytes, at, end)
      this.#line(bytes, at, lineEnd)
      at = lineEnd + 2
    }
  }

  #line(bytes: Uint8Array, at: number, end: number): void {
    // The first letter already rules out nearly all lines: t or T, c or C, n or N.
    const first = bytes[at]! | 32
    if (first === 116 && nameIs(bytes, at, trace)) {
      this.traceStart = valueStart(bytes, at + trace.length + 1, end)
      this.traceEnd = end
    } else if (first === 99 && nameIs(bytes, at, nullHeader)) {
      const value = Buffer.from(bytes.subarray(at + nullHeader.length + 1, end)).toString('latin1')
      this.nullKey = value.includes('key')
      this.nullValue = value.includes('value')
    } else if (first === 110 && nameIs(bytes, at, markerHeader)) {
      this.nullValue = true
    }
  }
}

/** Reused for each header. */
const [name, value] = [new ByteRange(), new ByteRange()]

/** Passes the record's headers to `sink`, without those of Carillon and the server. */
export function eachHeader(bytes: Buffer, start: number, end: number, sink: HeaderSink): void {
  for (let at = start + versionBytes; at < end && bytes[at] !== cr; ) {
    const lineEnd = endOfLine(bytes, at, end)
    const nameEnd = bytes.indexOf(colon, at)
    if (nameEnd > at && nameEnd < lineEnd && !isServers(bytes, at)) {
      name.set(bytes, at, nameEnd)
      value.set(bytes, valueStart(bytes, nameEnd + 1, lineEnd), lineEnd)
      sink.header(name, value)
    }
    at = lineEnd + 2
  }
}

function endOfLine(bytes: Uint8Array, at: number, end: number): number {
  for (let i = at; i < end; i++) if (bytes[i] === lf) return i - 1
  return end
}

/** One space after the colon belongs to the syntax, further spaces to the value. */
const valueStart = (bytes: Uint8Array, at: number, end: number) => (at < end && bytes[at] === space ? at + 1 : at)

/** Returns whether a line's name is `name`, ignoring case. */
function nameIs(bytes: Uint8Array, at: number, name: string): boolean {
  if (bytes[at + name.length] !== colon) return false
  for (let i = 0; i < name.length; i++) if ((bytes[at + i]! | 32) !== (name.charCodeAt(i) | 32)) return false
  return true
}

function isServers(bytes: Uint8Array, at: number): boolean {
  if (nameIs(bytes, at, nullHeader)) return true
  for (let i = 0; i < serverPrefix.length; i++) if (bytes[at + i] !== serverPrefix.charCodeAt(i)) return false
  return true
}

/**
 * Encodes the headers of a record published under `id`. Throws `bad_event` for a header that a
 * NATS header line can't carry.
 */
export function encodeHeaders(record: OutRecord, id: string): Buffer {
  let text = `NATS/1.0\r\n${idHeader}: ${id}\r\n`
  const nulls = [record.key === null ? 'key' : '', record.value === null ? 'value' : ''].filter((name) => name !== '')
  if (nulls.length > 0) text += `${nullHeader}: ${nulls.join(' ')}\r\n`
  const entries = record.headers === undefined ? [] : Object.entries(record.headers)
  if (entries.length === 0) return Buffer.from(`${text}\r\n`, 'latin1')
  const parts = [Buffer.from(text, 'latin1')]
  for (const [name, value] of entries) {
    const bytes = typeof value === 'string' ? Buffer.from(value) : Buffer.from(value)
    expectCarried(name, bytes)
    parts.push(Buffer.from(`${name}: `, 'latin1'), bytes, lineEnd)
  }
  parts.push(lineEnd)
  return Buffer.concat(parts)
}

const lineEnd = Buffer.from('\r\n')

function expectCarried(name: string, value: Buffer): void {
  if (!/^[!-9;-~]+$/.test(name) || name.startsWith(serverPrefix) || telling.has(name.toLowerCase())) {
    const said = `expected header names of printable ASCII without ":" that don't begin with "${serverPrefix}", and none that marks a null key or value`
    throw new CarillonError('bad_event', `${said}, got ${JSON.stringify(name)}: NATS can't carry others; rename it`)
  }
  if (value.includes(cr) || value.includes(lf)) {
    const said = `expected the header ${name} without line breaks, which end a value in NATS`
    throw new CarillonError('bad_event', `${said}, got ${value.length} bytes with line breaks: encode the value`)
  }
}
