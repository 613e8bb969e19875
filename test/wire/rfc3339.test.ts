import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseRfc3339 } from '../../src/wire/rfc3339.ts'

test("the standard's own examples are read", () => {
  assert.equal(parseRfc3339('1985-04-12T23:20:50.52Z'), Date.UTC(1985, 3, 12, 23, 20, 50, 520))
  assert.equal(parseRfc3339('1996-12-19T16:39:57-08:00'), Date.UTC(1996, 11, 20, 0, 39, 57))
  assert.equal(parseRfc3339('1990-12-31T23:59:60Z'), Date.UTC(1991, 0, 1))
  assert.equal(parseRfc3339('1937-01-01T12:00:27.87+00:20'), Date.UTC(1937, 0, 1, 11, 40, 27, 870))
})

test('letters may be small, and what is finer than a millisecond is cut off', () => {
  assert.equal(parseRfc3339('2026-01-31t12:00:00.0009999z'), Date.UTC(2026, 0, 31, 12))
})

test('the calendar holds, early years too', () => {
  assert.equal(parseRfc3339('2024-02-29T00:00:00Z'), Date.UTC(2024, 1, 29))
  assert.equal(parseRfc3339('2023-02-29T00:00:00Z'), undefined)
  assert.equal(parseRfc3339('0050-01-01T00:00:00Z'), Date.parse('0050-01-01T00:00:00Z'))
})

test('anything else is undefined', () => {
  const wrong = [
    ...['', '2026-01-31', '2026-01-31T12:00Z', '2026-01-31T12:00:00', '2026-01-31 12:00:00Z', '2026-1-31T12:00:00Z'],
    ...['2026-13-01T00:00:00Z', '2026-00-01T00:00:00Z', '2026-04-31T00:00:00Z', '2026-01-31T24:00:00Z'],
    ...['2026-01-31T12:60:00Z', '2026-01-31T12:00:61Z', '2026-01-31T12:00:00.Z', '2026-01-31T12:00:00+24:00'],
    ...['2026-01-31T12:00:00+0100', '2026-01-31T12:00:00 01:00', ' 2026-01-31T12:00:00Z', '2026-01-31T12:00:00Z\n'],
  ]
  for (const text of wrong) assert.equal(parseRfc3339(text), undefined, JSON.stringify(text))
})
