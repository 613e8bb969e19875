import assert from 'node:assert/strict'
import test from 'node:test'
import { ByteRate } from '../../src/fanout/byte-rate.ts'
import { ManualClock } from '../model/clock.ts'

test("one second's worth may be taken at once, and anything beyond it delays the next read", async () => {
  const clock = new ManualClock()
  const rate = new ByteRate(1000, clock)
  rate.take(900)
  assert.equal(rate.waitMs(), 0)
  rate.take(1100)
  assert.equal(rate.waitMs(), 1001, 'a thousand bytes too many')
  await clock.advance(1000)
  assert.equal(rate.waitMs(), 1)
  await clock.advance(1)
  assert.equal(rate.waitMs(), 0)
})

test("a correction returns the excess of an estimate, and a long pause saves at most one second's worth", async () => {
  const clock = new ManualClock()
  const rate = new ByteRate(1000, clock)
  rate.take(5000)
  rate.take(-4900)
  assert.equal(rate.waitMs(), 0)
  await clock.advance(60_000)
  assert.equal(rate.waitMs(), 0)
  rate.take(1500)
  assert.equal(rate.waitMs(), 501)
})

test('a rate of 0 is no limit', () => {
  const rate = new ByteRate(0, new ManualClock())
  rate.take(2 ** 50)
  assert.equal(rate.waitMs(), 0)
})
