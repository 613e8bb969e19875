import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CarillonError } from '../../src/base/errors.ts'
import {
  decodeToken,
  encodePosition,
  encodeToken,
  growthPosition,
  hashOf,
  isSameLog,
  isSamePartition,
  keyOf,
  type Log,
  logOf,
  maxPositions,
  mergeTokens,
  type Position,
  parseAfter,
} from '../../src/wire/token.ts'

const position: fc.Arbitrary<Position> = fc.record(
  {
    nameHash: fc.oneof(fc.nat(2), fc.nat(0xffffffff)),
    incarnationHash: fc.oneof(fc.nat(2), fc.nat(0xffffffff)),
    partition: fc.oneof(fc.nat(200), fc.nat(0x7fffffff)),
    offset: fc.oneof(fc.nat(1000), fc.maxSafeNat(), fc.constantFrom(0, 2 ** 48 - 1, 2 ** 48, Number.MAX_SAFE_INTEGER)),
    generation: fc.oneof(fc.constantFrom(-1, 0, 1, 0xff, 0x100, 0xffffffff), fc.nat(0xffffffff)),
  },
  { noNullPrototype: true },
)

const log = { nameHash: 0x12345678, incarnationHash: 0x9abcdef0 }
const distinct = fc.uniqueArray(position, { selector: keyOf, maxLength: 20 })
const sorted = (positions: readonly Position[]) => positions.toSorted((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))

const inPartition0 = (own: Log): Position => ({ ...own, partition: 0, offset: 0, generation: 0 })
const isIn = (own: Log) => (position: Position) => isSamePartition(position, inPartition0(own))

/** CRC-8 bit by bit, as described in docs/protocol.md. */
function withCheck(bytes: readonly number[]): string {
  let crc = 0xff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 0x80 ? ((crc << 1) ^ 0x07) & 0xff : crc << 1
  }
  return Buffer.from([...bytes, crc]).toString('base64url')
}

function refusal(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    assert.ok(error instanceof CarillonError && error.code === 'bad_token', String(error))
    return error.message
  }
  return ''
}

test('a position survives encoding and decoding', () => {
  fc.assert(
    fc.property(position, (p) => {
      assert.deepEqual(decodeToken(encodePosition(p)), [p])
    }),
    { numRuns: 1000 },
  )
})

test('one position fits in 32 URL-safe characters', () => {
  const own = { nameHash: 0xffffffff, incarnationHash: 0xffffffff }
  const largest = { ...own, partition: 2 ** 21 - 1, offset: Number.MAX_SAFE_INTEGER, generation: 0xffffffff }
  assert.equal(encodePosition(largest).length, 32)
  assert.match(encodePosition(largest), /^[A-Za-z0-9_-]+$/)
  assert.equal(encodePosition({ ...log, partition: 5, offset: 1_000_000, generation: 3 }).length, 20)
  assert.ok(encodePosition(growthPosition(own, 2 ** 21)).length <= 32)
})

test('any number of positions survives encoding and decoding', () => {
  fc.assert(
    fc.property(distinct, (positions) => {
      assert.deepEqual(sorted(decodeToken(encodeToken(positions))), sorted(positions))
    }),
  )
})

test('both encoders write the same token for one position', () => {
  const p = { ...log, partition: 1, offset: 9, generation: -1 }
  assert.equal(encodeToken([p]), encodePosition(p))
})

test('tokens of version 2 stay readable', () => {
  const single = { ...log, partition: 3, offset: 1234567, generation: 9 }
  assert.equal(encodePosition(single), 'IRI0VniavN7wAxLWhwlu')
  const other = { ...log, partition: 4, offset: 0, generation: -1 }
  assert.equal(encodeToken([other, single]), 'KBI0VniavN7wAgOHrUsKBAAA5Q')
  assert.deepEqual(decodeToken('KBI0VniavN7wAgOHrUsKBAAA5Q'), [single, other])
})

test('a token of another version is refused with its version, the supported one and what to do', () => {
  for (const token of ['ERI0VngDEtaHCS4', 'GBI0VngCA4etSwoEAADb', 'EB1Qt7MBAoc'])
    assert.match(
      refusal(() => decodeToken(token)),
      /is of version 1, but only version 2 is supported; start at "latest", "earliest" or a time/,
    )
  assert.match(
    refusal(() => decodeToken(withCheck([0x30, 1, 2, 3]))),
    /is of version 3, but only version 2 is supported/,
  )
  assert.match(
    refusal(() => decodeToken(withCheck([0x26, 1, 2, 3]))),
    /its form is unknown/,
  )
})

test('a token that ends within the hashes of its log is refused', () => {
  for (let length = 0; length < 8; length++) {
    for (const form of [0x20, 0x28]) {
      if (form === 0x28 && length === 0) continue
      const bytes = [form, ...Array.from({ length }, (_, i) => i)]
      assert.match(
        refusal(() => decodeToken(withCheck(bytes))),
        /it ends too early/,
        `${bytes}`,
      )
    }
  }
})

test('partitions of one stream share its hashes: 128 of them fit in 4 KB of headers', () => {
  const positions = Array.from({ length: 128 }, (_, partition) => {
    return { ...log, partition, offset: 1e9 + partition, generation: 12 }
  })
  assert.ok(encodeToken(positions).length < 1300)
})

test('a token with any one character changed or cut off is refused', () => {
  fc.assert(
    fc.property(fc.array(position, { minLength: 1, maxLength: 3 }), fc.nat(), fc.nat(63), (positions, at, shift) => {
      const token = encodeToken(positions)
      const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
      const index = at % token.length
      const other = alphabet[(alphabet.indexOf(token[index]!) + Math.max(1, shift)) % 64]!
      assert.notEqual(
        refusal(() => decodeToken(token.slice(0, index) + other + token.slice(index + 1))),
        '',
      )
    }),
    { numRuns: 1000 },
  )
})

test('hardly any cut token passes', () => {
  let passed = 0
  for (let offset = 0; offset < 300; offset++) {
    const token = encodePosition({ ...log, partition: 1, offset: offset * 7919, generation: offset })
    for (let end = 0; end < token.length; end++) if (refusal(() => decodeToken(token.slice(0, end))) === '') passed++
  }
  assert.ok(passed < 40, `${passed} of about 4,000 passed`)
})

test('any text decodes to positions or a bad_token', () => {
  const alphabet = fc.constantFrom(...'EFGab01_-+/= é')
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: alphabet, maxLength: 30 }), fc.string()), (text) => {
      refusal(() => decodeToken(text))
    }),
    { numRuns: 2000 },
  )
})

test('a refusal names what is wrong with the token', () => {
  const wrong: [string, RegExp][] = [
    ['', /not base64url/],
    ['abc+/', /not base64url/],
    ['A'.repeat(100_000), /100000 characters/],
    ['IRI0VniavN7wAxAWhwlu', /changed or cut/],
    ['hello', /changed or cut|not base64url/],
  ]
  for (const [text, message] of wrong)
    assert.match(
      refusal(() => decodeToken(text)),
      message,
    )
})

test('a well-encoded value out of bounds is refused', () => {
  const beyond = [
    { ...log, partition: 2 ** 31, offset: 0, generation: 0 },
    { ...log, partition: 0, offset: 2 ** 53, generation: 0 },
  ]
  for (const p of beyond)
    assert.match(
      refusal(() => decodeToken(encodePosition(p))),
      /out of range/,
    )
  const many = Array.from({ length: maxPositions + 1 }, (_, partition) => {
    return { ...log, partition, offset: 0, generation: 0 }
  })
  assert.match(
    refusal(() => decodeToken(encodeToken(many))),
    /at most 1024 positions/,
  )
  assert.equal(decodeToken(encodeToken(many.slice(1))).length, maxPositions)
})

test('where tokens name the same partition the last one wins, even if it goes back', () => {
  const at = (offset: number, generation = -1) => ({ ...log, partition: 2, offset, generation })
  const elsewhere = { ...log, partition: 3, offset: 50, generation: 0 }
  const stream = { ...at(1), nameHash: 2 }
  const incarnation = { ...at(1), incarnationHash: 2 }
  assert.deepEqual(mergeTokens([[at(7, 2), elsewhere], [at(8)], [at(9, 1), stream, incarnation]]), [
    at(9, 1),
    elsewhere,
    stream,
    incarnation,
  ])
  assert.deepEqual(mergeTokens([[at(9)], [at(3)]]), [at(3)])
})

test('another incarnation of a stream and another stream are recognised as different logs', () => {
  const [orders, anew, alarms] = [logOf('orders', 'x'), logOf('orders', 'y'), logOf('alarms', 'x')]
  assert.deepEqual(logOf('orders', 'x'), orders)
  assert.deepEqual([isSameLog(orders, logOf('orders', 'x')), isSameLog(orders, anew)], [true, false])
  assert.deepEqual([anew, alarms].map(inPartition0).map(isIn(orders)), [true, false])
})

test('streams whose names share eight bits of their hash are distinguished', () => {
  for (const [one, other] of [
    ['alarms', 'inventory'],
    ['audit', 'trades'],
    ['notifications', 'energy'],
  ] as const) {
    const [a, b] = [logOf(one, 'x'), logOf(other, 'x')]
    assert.equal(isIn(a)(inPartition0(b)), false)
    assert.equal(decodeToken(encodeToken([inPartition0(a), inPartition0(b)])).length, 2)
  }
})

test('similar names and incarnations have different hashes', () => {
  const texts = Array.from({ length: 5000 }, (_, i) => `stream-${i}`)
  assert.equal(new Set(texts.map(hashOf)).size, texts.length)
})

test('after is empty, a keyword, a time, or tokens, which are merged', () => {
  const p = { ...log, partition: 2, offset: 3, generation: 4 }
  const token = encodePosition(p)
  assert.deepEqual(parseAfter([]), { kind: 'latest' })
  assert.deepEqual(parseAfter(['latest']), { kind: 'latest' })
  assert.deepEqual(parseAfter(['earliest', 'earliest']), { kind: 'earliest' })
  assert.deepEqual(parseAfter(['@2026-01-31T12:00:00.5Z']), {
    kind: 'time',
    timeMs: Date.UTC(2026, 0, 31, 12, 0, 0, 500),
  })
  assert.deepEqual(parseAfter([token]), { kind: 'positions', positions: [p] })
  assert.deepEqual(parseAfter([encodePosition({ ...p, offset: 9 }), token]), { kind: 'positions', positions: [p] })
})

test('after with two kinds, or an unknown one, is a bad_token', () => {
  const token = encodePosition({ ...log, partition: 2, offset: 3, generation: 4 })
  const wrong: [string[], RegExp][] = [
    [['latest', 'earliest'], /expected tokens, or one of latest, earliest and @time; got "latest", "earliest"/],
    [['latest', token], /expected tokens, or one of/],
    [[token, 'earliest'], /expected tokens, or one of/],
    [['@2026-01-31T12:00:00Z', '@2026-01-31T12:00:01Z'], /expected tokens, or one of/],
    [['@yesterday'], /expected @ and an RFC 3339 time such as .*, got "@yesterday"/],
    [['@2026-01-31T12:00:00 01:00'], /%2B/],
    [[''], /not base64url/],
    [['Latest'], /expected a token, latest, earliest or @time/],
  ]
  for (const [after, message] of wrong)
    assert.match(
      refusal(() => parseAfter(after)),
      message,
    )
})

test('positions of all tokens together are bounded', () => {
  const tokens = [0, 1].map((nameHash) =>
    encodeToken(
      Array.from({ length: 600 }, (_, partition) => ({ ...log, nameHash, partition, offset: 0, generation: 0 })),
    ),
  )
  assert.match(
    refusal(() => parseAfter(tokens)),
    /at most 1024 positions in all tokens together, got 1200/,
  )
})
