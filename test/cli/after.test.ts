import assert from 'node:assert/strict'
import { test } from 'node:test'
import { positionText } from '../../src/base/position-text.ts'
import { afterOf } from '../../src/cli/after.ts'

const nowMs = Date.parse('2026-12-01T12:00:00Z')
const after = (text: string) => afterOf(text, nowMs)

test('an age is a time before now', () => {
  assert.equal(after('@90s'), '@2026-12-01T11:58:30.000Z')
  assert.equal(after('@5m'), '@2026-12-01T11:55:00.000Z')
  assert.equal(after('@5min'), '@2026-12-01T11:55:00.000Z')
  assert.equal(after('@1h'), '@2026-12-01T11:00:00.000Z')
  assert.equal(after('@7d'), '@2026-11-24T12:00:00.000Z')
})

test('a day, and a time without a zone, are those of this place', () => {
  const here = (...parts: [number, number, number, number?, number?, number?]) => `@${new Date(...parts).toISOString()}`
  assert.equal(after('@2026-11-30'), here(2026, 10, 30))
  assert.equal(after('@2026-11-30T14:30'), here(2026, 10, 30, 14, 30))
  assert.equal(after('@2026-11-30 14:30:05'), here(2026, 10, 30, 14, 30, 5))
})

test('what gateways take goes on as it is', () => {
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

test('a position as it is shown is no token, and it is said where tokens are', () => {
  for (const text of [positionText(1, 0), positionText(12_345, 12_345_678_901)]) {
    assert.throws(() => after(text), {
      code: 'bad_token',
      message: `--after: expected a token, as --json has it in "after"; got "${text}": partition@offset, as positions are shown, names no stream`,
    })
  }
})

test('anything else is refused with what may be said, and a token with what is wrong with it', () => {
  for (const text of ['beginning', 'now', '@1w', '@h', '@2026-02-30', '@2026-11-30T25:00', '@99999999d', '@', '']) {
    assert.throws(() => after(text), {
      code: 'bad_token',
      message: new RegExp(`^--after: expected earliest, latest, a token, or a time: @1h .*; got "${text}"$`),
    })
  }
  assert.throws(() => after('JRLY44QTfj9SAQEX'), { code: 'bad_token', message: /got "JRLY44QTfj9SAQEX": \S/ })
})
