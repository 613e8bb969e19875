import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Histogram } from '../../src/telemetry/histogram.ts'

/** Durations of every magnitude, from 0 to four years. */
const duration = fc
  .tuple(fc.integer({ min: 0, max: 46 }), fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }))
  .map(([octave, fraction]) => Math.floor(2 ** octave * (1 + fraction)) - 1)
const durations = fc.array(duration, { minLength: 1, maxLength: 200 })

function histogramOf(values: readonly number[]): Histogram {
  const histogram = new Histogram()
  for (const value of values) histogram.record(value)
  return histogram
}

test('a quantile is within 1/64 of the value at that rank of the sorted values', () => {
  fc.assert(
    fc.property(durations, fc.double({ min: 0, max: 1, noNaN: true }), (values, q) => {
      const sorted = values.toSorted((a, b) => a - b)
      const exact = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1]!
      const got = histogramOf(values).quantile(q)
      assert.ok(Math.abs(got - exact) <= exact / 64, `quantile ${q}: got ${got}, exact ${exact}`)
    }),
  )
})

test('count, sum and max are exact', () => {
  fc.assert(
    fc.property(durations, (values) => {
      const histogram = histogramOf(values)
      assert.equal(histogram.count, values.length)
      assert.equal(histogram.max, Math.max(...values))
      const sum = values.reduce((a, b) => a + b, 0)
      assert.equal(histogram.sum, sum)
    }),
  )
})

test('a bucket never counts a slow value under a bound, and misses none that is 1/32 below it', () => {
  const bounds = [0, 100, 1_000, 5_000, 25_000, 1_000_000, 10_000_000_000]
  fc.assert(
    fc.property(durations, (values) => {
      const counts = histogramOf(values).buckets(bounds)
      assert.equal(counts.length, bounds.length + 1)
      let cumulative = 0
      bounds.forEach((bound, i) => {
        cumulative += counts[i]!
        const atMost = values.filter((value) => value <= bound).length
        const atLeast = values.filter((value) => value < bound * (1 - 1 / 32)).length
        assert.ok(atLeast <= cumulative && cumulative <= atMost, `${atLeast} ≤ ${cumulative} ≤ ${atMost} at ${bound}`)
      })
      assert.equal(cumulative + counts.at(-1)!, values.length)
    }),
  )
})

test('merged histograms equal the histogram of all values', () => {
  fc.assert(
    fc.property(durations, durations, (left, right) => {
      const merged = histogramOf(left)
      merged.merge(histogramOf(right))
      const all = histogramOf([...left, ...right])
      assert.deepEqual(merged.buckets([10, 1e3, 1e6]), all.buckets([10, 1e3, 1e6]))
      assert.equal(merged.max, all.max)
      assert.equal(merged.negative, all.negative)
      for (const q of [0, 0.5, 0.99, 1]) assert.equal(merged.quantile(q), all.quantile(q))
    }),
  )
})

test('a merge adds negative values', () => {
  const merged = new Histogram()
  const other = new Histogram()
  for (const us of [-1, -2]) other.record(us)
  merged.record(-3)
  merged.merge(other)
  assert.deepEqual([merged.negative, merged.count], [3, 0])
})

test('recording with a count equals recording that many times', () => {
  const once = new Histogram()
  once.record(1500, 3)
  const thrice = histogramOf([1500, 1500, 1500])
  assert.deepEqual(once, thrice)
  assert.deepEqual(once.buckets([1000, 2000]), thrice.buckets([1000, 2000]))
})

test('negative values are counted separately and are in no bucket', () => {
  const histogram = histogramOf([-1, -5000, Number.NaN, 7])
  assert.equal(histogram.negative, 3)
  assert.equal(histogram.count, 1)
  assert.equal(histogram.sum, 7)
  assert.deepEqual(histogram.buckets([10]), [1, 0])
})

test('values below 64 µs are exact', () => {
  for (let us = 0; us < 64; us++) assert.equal(histogramOf([us]).quantile(1), us)
})

test('a value beyond the range is counted, and max is exact', () => {
  const histogram = histogramOf([1, 2 ** 50])
  assert.equal(histogram.count, 2)
  assert.equal(histogram.max, 2 ** 50)
  assert.deepEqual(histogram.buckets([2 ** 46]), [1, 1])
})

test('an empty histogram has no quantiles', () => {
  assert.ok(Number.isNaN(new Histogram().quantile(0.5)))
})

test('a snapshot does not change with the histogram', () => {
  const histogram = histogramOf([5])
  const snapshot = histogram.snapshot()
  histogram.record(9)
  assert.equal(snapshot.count, 1)
  assert.equal(snapshot.quantile(1), 5)
})
