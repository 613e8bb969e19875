import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CarillonError } from '../../src/base/errors.ts'
import { type GapReason, gapReasons } from '../../src/wire/frames.ts'
import { decodeClientFrame, decodeServerFrame, encodeClientFrame, encodeServerFrame } from '../../src/wire/proto.ts'
import { messages } from '../../src/wire/schema.ts'
import { clientFrame, comparable, controlFrame, delivery } from './arbitraries.ts'

function judge(read: () => unknown): 'ok' | 'bad_frame' {
  try {
    read()
    return 'ok'
  } catch (error) {
    assert.ok(error instanceof CarillonError && error.code === 'bad_frame', String(error))
    return 'bad_frame'
  }
}

test("a client's frame survives encoding and decoding", () => {
  fc.assert(
    fc.property(clientFrame, (frame) => {
      assert.deepEqual(comparable(decodeClientFrame(encodeClientFrame(frame))), comparable(frame))
    }),
  )
})

test("a gateway's frame survives encoding and decoding", () => {
  fc.assert(
    fc.property(fc.oneof(controlFrame, delivery), (frame) => {
      assert.deepEqual(comparable(decodeServerFrame(encodeServerFrame(frame))), comparable(frame))
    }),
  )
})

test('the gap reasons are those of the schema, in its order', () => {
  const { GapReason } = messages
  const named = Object.entries(GapReason).map(([name, value]) => [name.toLowerCase(), value])
  const expected = gapReasons.map((reason: GapReason, value) => [
    reason === 'unspecified' ? 'gap_reason_unspecified' : reason,
    value,
  ])
  assert.deepEqual(
    named.filter(([, value]) => typeof value === 'number'),
    expected,
  )
})

test('a gap at offset 0 keeps its optional fields', () => {
  const gap = {
    kind: 'gap',
    stream: '',
    partition: 0,
    from: 0,
    to: 0,
    n: 0,
    reason: 'ttl',
    certain: true,
    after: '',
  } as const
  assert.deepEqual(comparable(decodeServerFrame(encodeServerFrame(gap))), gap)
})

test('a frame without a known kind is refused', () => {
  assert.equal(
    judge(() => decodeClientFrame(new Uint8Array(0))),
    'bad_frame',
  )
  assert.equal(
    judge(() => decodeClientFrame(Uint8Array.of(0xa2, 6, 0))),
    'bad_frame',
  )
  assert.equal(decodeServerFrame(Uint8Array.of(0xa2, 6, 0)), undefined)
})

test('unknown fields are ignored', () => {
  assert.deepEqual(decodeClientFrame(Uint8Array.of(0x1a, 5, 0x08, 9, 0xa0, 6, 1)), { kind: 'ping', t: 9 })
})

test('integers beyond 2^53 are refused, because they arrive rounded', () => {
  const t = Uint8Array.of(0x1a, 9, 0x08, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10)
  assert.throws(() => decodeClientFrame(t), /ping\.t: expected an integer from 0 to 2\^53 - 1/)
})

test('any bytes decode to a frame or a bad_frame', () => {
  const damaged = fc
    .tuple(fc.oneof(clientFrame.map(encodeClientFrame), controlFrame.map(encodeServerFrame)), fc.nat(), fc.nat(255))
    .map(([frame, at, value]) => {
      const bytes = Uint8Array.from(frame)
      bytes[at % bytes.length] = value
      return bytes
    })
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 30 })), (bytes) => {
      judge(() => decodeClientFrame(bytes))
      judge(() => decodeServerFrame(bytes))
    }),
    { numRuns: 2000 },
  )
})

test('endlessly nested groups are refused without a crash', () => {
  const groups = new Uint8Array(1_000_000).fill(0x7b)
  assert.equal(
    judge(() => decodeClientFrame(groups)),
    'bad_frame',
  )
})
