import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CarillonError } from '../../src/base/errors.ts'
import {
  decodeToken,
  encodePosition,
  encodeToken,
  maxPositions,
  mergeTokens,
  type Position,
  parseAfter,
  sameStreamName,
  streamHash,
} from '../../src/wire/token.ts'

const position: fc.Arbitrary<Position> = fc.record(
  {
    streamHash: fc.nat(0xffffffff),
    partition: fc.oneof(fc.nat(200), fc.nat(0x7fffffff)),
    offset: fc.oneof(fc.nat(1000), fc.maxSafeNat(), fc.constantFrom(0, 2 ** 48 - 1, 2 ** 48, Number.MAX_SAFE_INTEGER)),
    generation: fc.oneof(fc.constantFrom(-1, 0, 1, 0xff, 0x100, 0xffffffff), fc.nat(0xffffffff)),
  },
  { noNullPrototype: true },
)

const place = (p: Position) => `${p.streamHash}/${p.partition}`
const distinct = fc.uniqueArray(position, { selector: place, maxLength: 20 })
const sorted = (positions: readonly Position[]) => positions.toSorted((a, b) => (place(a) < place(b) ? -1 : 1))

function refusal(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    assert.ok(error instanceof CarillonError && error.code === 'bad_token', String(error))
    return error.message
  }
  return ''
}

test('a position is the same after encoding and decoding', () => {
  fc.assert(
    fc.property(position, (p) => {
      assert.deepEqual(decodeToken(encodePosition(p)), [p])
    }),
    { numRuns: 1000 },
  )
})

test('one position fits in 24 URL-safe characters', () => {
  const largest = { streamHash: 0xffffffff, partition: 2 ** 14 - 1, offset: 2 ** 48 - 1, generation: 0xffffffff }
  assert.equal(encodePosition(largest).length, 24)
  assert.match(encodePosition(largest), /^[A-Za-z0-9_-]+$/)
  assert.equal(encodePosition({ streamHash: 1, partition: 5, offset: 1_000_000, generation: 3 }).length, 15)
})

test('any number of positions is the same after encoding and decoding', () => {
  fc.assert(
    fc.property(distinct, (positions) => {
      assert.deepEqual(sorted(decodeToken(encodeToken(positions))), sorted(positions))
    }),
  )
})

test('a token of one position is the same by both ways', () => {
  const p = { streamHash: 7, partition: 1, offset: 9, generation: -1 }
  assert.equal(encodeToken([p]), encodePosition(p))
})

test('tokens of version 1 stay readable', () => {
  const single = { streamHash: 0x12345678, partition: 3, offset: 1234567, generation: 9 }
  assert.equal(encodePosition(single), 'ERI0VngDEtaHCS4')
  const other = { streamHash: 0x12345678, partition: 4, offset: 0, generation: -1 }
  assert.equal(encodeToken([other, single]), 'GBI0VngCA4etSwoEAADb')
  assert.deepEqual(decodeToken('GBI0VngCA4etSwoEAADb'), [single, other])
})

test('partitions of one stream share its hash: 128 of them fit where headers are 4 KB', () => {
  const positions = Array.from({ length: 128 }, (_, partition) => {
    return { streamHash: 5, partition, offset: 1e9 + partition, generation: 12 }
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

test('of cut tokens hardly any passes', () => {
  let passed = 0
  for (let offset = 0; offset < 300; offset++) {
    const token = encodePosition({ streamHash: 0xabcdef01, partition: 1, offset: offset * 7919, generation: offset })
    for (let end = 0; end < token.length; end++) if (refusal(() => decodeToken(token.slice(0, end))) === '') passed++
  }
  assert.ok(passed < 40, `${passed} of about 4,000 passed`)
})

test('any text gives positions or a bad_token', () => {
  const alphabet = fc.constantFrom(...'EFGab01_-+/= é')
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: alphabet, maxLength: 30 }), fc.string()), (text) => {
      refusal(() => decodeToken(text))
    }),
    { numRuns: 2000 },
  )
})

test('a token is refused by what is wrong with it', () => {
  const wrong: [string, RegExp][] = [
    ['', /not base64url/],
    ['abc+/', /not base64url/],
    ['A'.repeat(100_000), /100000 characters/],
    ['ERI0VngDEtaICS4', /changed or cut/],
    ['hello', /changed or cut|not base64url/],
  ]
  for (const [text, message] of wrong)
    assert.match(
      refusal(() => decodeToken(text)),
      message,
    )
})

test('what is encoded well but out of bounds is refused', () => {
  const beyond = [
    { streamHash: 1, partition: 2 ** 31, offset: 0, generation: 0 },
    { streamHash: 1, partition: 0, offset: 2 ** 53, generation: 0 },
  ]
  for (const p of beyond)
    assert.match(
      refusal(() => decodeToken(encodePosition(p))),
      /out of range/,
    )
  const many = Array.from({ length: maxPositions + 1 }, (_, partition) => {
    return { streamHash: 1, partition, offset: 0, generation: 0 }
  })
  assert.match(
    refusal(() => decodeToken(encodeToken(many))),
    /at most 1024 positions/,
  )
  assert.equal(decodeToken(encodeToken(many.slice(1))).length, maxPositions)
})

test('where tokens name the same place the last one counts, also where it goes back', () => {
  const at = (offset: number, generation = -1) => ({ streamHash: 1, partition: 2, offset, generation })
  const elsewhere = { streamHash: 1, partition: 3, offset: 50, generation: 0 }
  const other = { ...at(1), streamHash: 2 }
  assert.deepEqual(mergeTokens([[at(7, 2), elsewhere], [at(8)], [at(9, 1), other]]), [at(9, 1), elsewhere, other])
  assert.deepEqual(mergeTokens([[at(9)], [at(3)]]), [at(3)])
})

test('another incarnation of a stream is known as such', () => {
  assert.equal(streamHash('orders', 'x'), streamHash('orders', 'x'))
  assert.notEqual(streamHash('orders', 'x'), streamHash('orders', 'y'))
  assert.equal(sameStreamName(streamHash('orders', 'x'), streamHash('orders', 'y')), true)
  assert.equal(sameStreamName(streamHash('orders', 'x'), streamHash('alarms', 'x')), false)
})

test('hashes of similar names and incarnations are spread', () => {
  const names = new Set<number>()
  const incarnations = new Set<number>()
  for (let i = 0; i < 256; i++) {
    names.add(streamHash(`stream${i}`, '') >>> 24)
    incarnations.add(streamHash('s', `id-${i}`) & 0xffffff)
  }
  // 256 balls in 256 boxes fill 162 of them on average.
  assert.ok(names.size > 130, `${names.size} of 256 names differ`)
  assert.equal(incarnations.size, 256)
})

test('after is nothing, a keyword, a time, or tokens, which are merged', () => {
  const p = { streamHash: 1, partition: 2, offset: 3, generation: 4 }
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

test('after of two kinds, or of none that there is, is a bad_token', () => {
  const token = encodePosition({ streamHash: 1, partition: 2, offset: 3, generation: 4 })
  const wrong: [string[], RegExp][] = [
    [['latest', 'earliest'], /expected tokens, or one of latest, earliest and @time; got "latest", "earliest"/],
    [['latest', token], /expected tokens, or one of/],
    [[token, 'earliest'], /expected tokens, or one of/],
    [['@2026-01-31T12:00:00Z', '@2026-01-31T12:00:01Z'], /expected tokens, or one of/],
    [['@yesterday'], /expected @ and an RFC 3339 time such as .*, got "@yesterday"/],
    [['@2026-01-31T12:00:00 01:00'], /%2B/],
    [[''], /not base64url/],
    [['Latest'], /is not a token/],
  ]
  for (const [after, message] of wrong)
    assert.match(
      refusal(() => parseAfter(after)),
      message,
    )
})

test('positions of all tokens together are bounded', () => {
  const tokens = [0, 1].map((streamHash) =>
    encodeToken(Array.from({ length: 600 }, (_, partition) => ({ streamHash, partition, offset: 0, generation: 0 }))),
  )
  assert.match(
    refusal(() => parseAfter(tokens)),
    /at most 1024 positions in all tokens, got 1200/,
  )
})
