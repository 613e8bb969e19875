import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseRfc3339, rfc3339Us } from '../../src/wire/rfc3339.ts'

test("the standard's own examples parse", () => {
  assert.equal(parseRfc3339('1985-04-12T23:20:50.52Z'), Date.UTC(1985, 3, 12, 23, 20, 50, 520))
  assert.equal(parseRfc3339('1996-12-19T16:39:57-08:00'), Date.UTC(1996, 11, 20, 0, 39, 57))
  assert.equal(parseRfc3339('1990-12-31T23:59:60Z'), Date.UTC(1991, 0, 1))
  assert.equal(parseRfc3339('1937-01-01T12:00:27.87+00:20'), Date.UTC(1937, 0, 1, 11, 40, 27, 870))
})

test('lower-case letters are accepted, and digits below a millisecond are cut off', () => {
  assert.equal(parseRfc3339('2026-01-31t12:00:00.0009999z'), Date.UTC(2026, 0, 31, 12))
})

test('the calendar is right, including early years', () => {
  assert.equal(parseRfc3339('2024-02-29T00:00:00Z'), Date.UTC(2024, 1, 29))
  assert.equal(parseRfc3339('2023-02-29T00:00:00Z'), undefined)
  assert.equal(parseRfc3339('0050-01-01T00:00:00Z'), Date.parse('0050-01-01T00:00:00Z'))
})

test('other text is undefined', () => {
  const wrong = [
    ...['', '2026-01-31', '2026-01-31T12:00Z', '2026-01-31T12:00:00', '2026-01-31 12:00:00Z', '2026-1-31T12:00:00Z'],
    ...['2026-13-01T00:00:00Z', '2026-00-01T00:00:00Z', '2026-04-31T00:00:00Z', '2026-01-31T24:00:00Z'],
    ...['2026-01-31T12:60:00Z', '2026-01-31T12:00:61Z', '2026-01-31T12:00:00.Z', '2026-01-31T12:00:00+24:00'],
    ...['2026-01-31T12:00:00+0100', '2026-01-31T12:00:00 01:00', ' 2026-01-31T12:00:00Z', '2026-01-31T12:00:00Z\n'],
  ]
  for (const text of wrong) assert.equal(parseRfc3339(text), undefined, JSON.stringify(text))
})

function fromBytes(text: string): number {
  const bytes = Buffer.from(`0${text}0`)
  return rfc3339Us(bytes, 1, bytes.length - 1)
}

test('parsing bytes gives the same to the microsecond, and -1 for anything but a time since 1970', () => {
  assert.equal(fromBytes('1996-12-19T16:39:57.1234567-08:00'), Date.UTC(1996, 11, 20, 0, 39, 57) * 1000 + 123_456)
  assert.equal(fromBytes('1937-01-01T12:00:27.87+00:20'), -1)
  const two = (most: number) =>
    fc.oneof(fc.integer({ min: 1, max: 28 }), fc.nat(most)).map((n) => `${n}`.padStart(2, '0'))
  const year = fc.integer({ min: 1968, max: 2420 }).map(String)
  const fraction = fc.constantFrom('', '.', '.5', '.123', '.1234569')
  const zone = fc.constantFrom('Z', 'z', '+00:00', '-08:30', '+24:00', '+0100', '')
  const separator = fc.constantFrom('T', 't', 'T', ' ', 'T', '')
  const parts = fc.tuple(year, two(13), two(32), separator, two(25), two(61), two(62), fraction, zone)
  fc.assert(
    fc.property(parts, ([y, m, d, t, hour, minute, second, f, z]) => {
      const text = `${y}-${m}-${d}${t}${hour}:${minute}:${second}${f}${z}`
      const ms = parseRfc3339(text) ?? -1
      const us = fromBytes(text)
      assert.equal(us < 0 ? -1 : Math.floor(us / 1000), ms < 0 ? -1 : ms, text)
    }),
    { numRuns: 3000 },
  )
})
