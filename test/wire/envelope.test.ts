import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CarillonError } from '../../src/base/errors.ts'
import { decodeEvent, type EventFields, encodeEvent, envelopeView, scanEnvelope } from '../../src/wire/envelope.ts'
import type { Event } from '../../src/wire/frames.ts'
import { messages } from '../../src/wire/schema.ts'
import { comparable, embedded, event } from './arbitraries.ts'

const view = envelopeView()

function scan(bytes: Uint8Array): boolean {
  const { buffer, start, end } = embedded(bytes)
  return scanEnvelope(buffer, start, end, view)
}

/**
 * Encodes protobuf by hand: [field number, value], strings and bytes length-delimited, numbers as
 * varints.
 */
function fields(...list: [number, string | Uint8Array | number][]): Uint8Array {
  const parts = list.flatMap(([number, value]) => {
    if (typeof value === 'number') return [number * 8, value]
    const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value
    return [number * 8 + 2, bytes.length, ...bytes]
  })
  return Uint8Array.from(parts)
}

function faultOf(bytes: Uint8Array): string {
  assert.equal(scan(bytes), false)
  return view.fault
}

function seen(bytes: Uint8Array, at: number, length: number): string {
  return Buffer.from(bytes).toString('utf8', at, at + length)
}

test('a scan finds what the generated decoder finds', () => {
  fc.assert(
    fc.property(event, (written) => {
      const bytes = encodeEvent(written)
      assert.equal(scan(bytes), true, view.fault)
      const decoded = messages.Event.decode(bytes)
      assert.equal(seen(bytes, view.subjectAt, view.subjectLength), decoded.subject)
      assert.equal(seen(bytes, view.idAt, view.idLength), decoded.id)
      assert.equal(seen(bytes, view.typeAt, view.typeLength), decoded.type)
      assert.equal(seen(bytes, view.contentTypeAt, view.contentTypeLength), decoded.contentType)
      assert.equal(seen(bytes, view.collapseKeyAt, view.collapseKeyLength), decoded.collapseKey)
      assert.deepEqual([...bytes.subarray(view.dataAt, view.dataAt + view.dataLength)], [...decoded.data])
      assert.equal(view.publishedAtUs, decoded.publishedAtUs)
      assert.equal(view.ttlMs, decoded.ttlMs)
      assert.equal(view.priority, decoded.priority)
      assert.equal(view.attributes, Object.keys(decoded.attributes).length)
      assert.equal(view.deleted, decoded.deleted)
    }),
  )
})

test('an event is the same after encoding and decoding', () => {
  fc.assert(
    fc.property(event, (written) => {
      assert.deepEqual(comparable(decodeEvent(encodeEvent(written))), comparable(written))
    }),
  )
})

test('an attribute named __proto__ is an attribute', () => {
  const attributes = JSON.parse('{"__proto__":"x","constructor":"y"}') as Record<string, string>
  const decoded = decodeEvent(encodeEvent({ subject: 'a', attributes }))
  assert.deepEqual(Object.entries(decoded.attributes), [
    ['__proto__', 'x'],
    ['constructor', 'y'],
  ])
})

test('the last of a repeated scalar wins, as in the generated decoder', () => {
  const bytes = fields([2, 'first'], [1, 'a'], [2, 'second'], [7, 5], [7, 6], [5, 'x'], [5, ''], [11, 1], [11, 0])
  assert.equal(scan(bytes), true)
  assert.equal(seen(bytes, view.idAt, view.idLength), 'second')
  const decoded = decodeEvent(bytes)
  assert.deepEqual([view.ttlMs, view.dataLength, view.deleted], [6, 0, false])
  assert.deepEqual([decoded.id, decoded.ttlMs, decoded.data.length, decoded.deleted], ['second', 6, 0, false])
})

test('fields of a newer schema are skipped', () => {
  const bytes = Uint8Array.from([
    ...fields([1, 'a'], [100, 'new']),
    0xa1,
    6,
    1,
    2,
    3,
    4,
    5,
    6,
    7,
    8,
    0xa5,
    6,
    1,
    2,
    3,
    4,
  ])
  assert.equal(scan(Uint8Array.from([0x0a, 1, 0x61, 0xa2, 6, 1, 0x78, 0xa0, 6, 0xff, 1])), true)
  assert.equal(scan(Uint8Array.from([...bytes.subarray(0, 3), ...bytes.subarray(8)])), true)
})

test('an envelope without exactly one valid subject is refused with the reason', () => {
  assert.match(faultOf(fields([2, 'id'])), /no subject/)
  assert.match(faultOf(new Uint8Array(0)), /no subject/)
  assert.match(faultOf(fields([1, 'a'], [1, 'a'])), /two subjects/)
  assert.match(faultOf(fields([1, 'a b'])), /subject rules/)
  assert.match(faultOf(fields([1, 'a.*'])), /subject rules/)
  assert.match(faultOf(fields([1, Uint8Array.of(0xff)])), /subject rules/)
})

test('a known field with another wire type is refused', () => {
  assert.match(faultOf(fields([1, 'a'], [2, 7])), /wrong wire type/)
  assert.match(faultOf(fields([1, 'a'], [6, 'x'])), /wrong wire type/)
  assert.match(faultOf(Uint8Array.from([...fields([1, 'a']), 0x31, 1, 2, 3, 4, 5, 6, 7, 8])), /wrong wire type/)
})

test('groups and fields without a number are refused', () => {
  assert.match(faultOf(Uint8Array.from([...fields([1, 'a']), 0xa3, 6, 0xa4, 6])), /wire type that events do not use/)
  assert.match(faultOf(Uint8Array.from([...fields([1, 'a']), 0x00, 0x01])), /without a number/)
})

test('strings that other decoders refuse are refused, because protobuf clients get the bytes unchanged', () => {
  for (const number of [2, 3, 4, 8]) {
    assert.match(faultOf(fields([1, 'a'], [number, Uint8Array.of(0xc0, 0xaf)])), /not UTF-8/)
  }
  assert.match(faultOf(fields([1, 'a'], [10, fields([1, Uint8Array.of(0xff)])])), /not UTF-8/)
})

test('a time that is not microseconds below 2^53 is refused', () => {
  const nanoseconds = [0x30, 0x80, 0x80, 0x90, 0xcd, 0xdf, 0xa6, 0xd5, 0xcf, 0x17]
  assert.match(faultOf(Uint8Array.from([...fields([1, 'a']), ...nanoseconds])), /published_at_us/)
  const minusOne = [0x30, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]
  assert.match(faultOf(Uint8Array.from([...fields([1, 'a']), ...minusOne])), /published_at_us/)
})

test('an envelope cut anywhere but between two fields is refused', () => {
  const full = encodeEvent({ subject: 'a.b', id: 'i', data: Buffer.alloc(300), ttlMs: 300, attributes: { k: 'v' } })
  const whole = new Set<number>()
  for (let end = 0; end < full.length; end++) if (scan(full.subarray(0, end))) whole.add(end)
  // After subject, id and data (ttl_ms is next, then the attribute).
  assert.deepEqual([...whole], [5, 8, 311, 314])
})

test('random and damaged bytes are scanned without an exception, and accepted ones decode', () => {
  const damaged = fc
    .tuple(event, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 3 }))
    .map(([written, changes]) => {
      const bytes = Uint8Array.from(encodeEvent(written))
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      return bytes
    })
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 40 }), damaged), (bytes) => {
      const ok = scan(bytes)
      assert.equal(view.fault === '', ok)
      if (!ok) assert.throws(() => decodeEvent(bytes), CarillonError)
      else assert.equal(decodeEvent(bytes).subject, seen(bytes, view.subjectAt, view.subjectLength))
    }),
    { numRuns: 3000 },
  )
})

test('bounds outside of the buffer are refused', () => {
  const bytes = encodeEvent({ subject: 'a' })
  assert.equal(scanEnvelope(bytes, 0, bytes.length + 1, view), false)
  assert.equal(scanEnvelope(bytes, -1, bytes.length, view), false)
})

test('an event that could not be decoded again is not encoded', () => {
  const bad: [EventFields, string][] = [
    [{ subject: 'a b' }, 'bad_subject'],
    [{ subject: 'a', publishedAtUs: 2 ** 53 }, 'bad_event'],
    [{ subject: 'a', publishedAtUs: -1 }, 'bad_event'],
    [{ subject: 'a', publishedAtUs: 10n as never }, 'bad_event'],
    [{ subject: 'a', ttlMs: 1.5 }, 'bad_event'],
    [{ subject: 'a', priority: 2 ** 31 }, 'bad_event'],
  ]
  for (const [fields, code] of bad) assert.throws(() => encodeEvent(fields), { code })
})

test('64-bit integers are numbers, absent ones too', () => {
  const { publishedAtUs }: Event = decodeEvent(encodeEvent({ subject: 'a', publishedAtUs: Number.MAX_SAFE_INTEGER }))
  assert.equal(publishedAtUs, Number.MAX_SAFE_INTEGER)
  assert.equal(decodeEvent(encodeEvent({ subject: 'a' })).publishedAtUs, 0)
})
