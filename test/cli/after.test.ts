import assert from 'node:assert/strict'
import { test } from 'node:test'
import { positionText } from '../../src/base/position-text.ts'
import { afterOf } from '../../src/cli/after.ts'

const nowMs = Date.parse('2026-12-01T12:00:00Z')
const after = (text: string) => afterOf(text, nowMs)

test('an age becomes a time before now', () => {
  assert.equal(after('@90s'), '@2026-12-01T11:58:30.000Z')
  assert.equal(after('@5m'), '@2026-12-01T11:55:00.000Z')
  assert.equal(after('@5min'), '@2026-12-01T11:55:00.000Z')
  assert.equal(after('@1h'), '@2026-12-01T11:00:00.000Z')
  assert.equal(after('@7d'), '@2026-11-24T12:00:00.000Z')
})

test('a date, and a time without a zone, are local', () => {
  const here = (...parts: [number, number, number, number?, number?, number?]) => `@${new Date(...parts).toISOString()}`
  assert.equal(after('@2026-11-30'), here(2026, 10, 30))
  assert.equal(after('@2026-11-30T14:30'), here(2026, 10, 30, 14, 30))
  assert.equal(after('@2026-11-30 14:30:05'), here(2026, 10, 30, 14, 30, 5))
})

test('values that gateways accept are passed on unchanged', () => {
  for (const text of [
    'earliest',
    'latest',
    '@2026-11-30T12:00:00Z',
    '@2026-11-30T12:00:00+02:00',
    'JRLY44QTfj9SAQEU',
  ]) {
    assert.equal(after(text), text)
  }
})

test('a printed position is refused as a token, with a hint where tokens are', () => {
  for (const text of [positionText(1, 0), positionText(12_345, 12_345_678_901)]) {
    assert.throws(() => after(text), {
      code: 'bad_token',
      message: `--after: expected a token, such as "after" in the output of --json; got "${text}": a position as partition@offset names no stream`,
    })
  }
})

test('other text is refused with the valid forms, and a bad token with its error', () => {
  for (const text of ['beginning', 'now', '@1w', '@h', '@2026-02-30', '@2026-11-30T25:00', '@99999999d', '@', '']) {
    assert.throws(() => after(text), {
      code: 'bad_token',
      message: new RegExp(`^--after: expected earliest, latest, a token, or a time: @1h .*; got "${text}"$`),
    })
  }
  assert.throws(() => after('JRLY44QTfj9SAQEX'), { code: 'bad_token', message: /got "JRLY44QTfj9SAQEX": \S/ })
})
