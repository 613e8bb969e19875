import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { Latencies } from '../../../src/bench/load/latencies.ts'

const hourUs = 3.6e9
const latency = fc.oneof(fc.integer({ min: 0, max: 2000 }), fc.integer({ min: 0, max: hourUs }))

function recorded(values: readonly number[]): Latencies {
  const latencies = new Latencies()
  for (const value of values) latencies.record(value)
  return latencies
}

test('a quantile is within 0.4 % of the exact one, from 1 µs to an hour', () => {
  const quantile = fc.constantFrom(0, 0.1, 0.5, 0.9, 0.99, 0.999, 0.9999, 1)
  fc.assert(
    fc.property(fc.array(latency, { minLength: 1, maxLength: 200 }), quantile, (values, q) => {
      const sorted = [...values].sort((a, b) => a - b)
      const exact = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1]!
      const got = recorded(values).quantileUs(q)
      assert.ok(Math.abs(got - exact) <= exact * 0.004, `expected ${exact}, got ${got}`)
    }),
  )
})

test('mean, deviation and maximum are exact', () => {
  const latencies = recorded([1_000_001, 1_000_003, 1_000_005, 1_000_007])
  assert.equal(latencies.meanUs, 1_000_004)
  assert.ok(Math.abs(latencies.sdUs - Math.sqrt(5)) < 1e-3)
  assert.equal(latencies.maxUs, 1_000_007)
})

test('what several processes counted adds up to what one would have counted', () => {
  fc.assert(
    fc.property(fc.array(fc.array(latency)), (parts) => {
      const sum = new Latencies()
      for (const part of parts) sum.add(recorded(part).toCounts())
      const all = recorded(parts.flat())
      assert.deepEqual(sum.distribution(), all.distribution())
      assert.equal(sum.count, all.count)
      assert.equal(sum.maxUs, all.maxUs)
      assert.ok(sum.count === 0 || Math.abs(sum.meanUs - all.meanUs) <= 1e-9 * all.meanUs)
    }),
  )
})

test('a clock that runs backwards is counted apart, and nothing is lost of a latency beyond the range', () => {
  const latencies = recorded([-5, 2 ** 40])
  assert.equal(latencies.negative, 1)
  assert.equal(latencies.count, 2)
  assert.equal(latencies.maxUs, 2 ** 40)
})

test('nothing is left after clear', () => {
  const latencies = recorded([1, 500, 70_000])
  latencies.clear()
  assert.equal(latencies.count, 0)
  assert.ok(Number.isNaN(latencies.quantileUs(0.5)))
  assert.deepEqual(latencies.distribution(), [])
})
