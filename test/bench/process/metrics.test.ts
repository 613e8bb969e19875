import assert from 'node:assert/strict'
import test from 'node:test'
import { Metrics, quantileBound } from '../../../src/bench/process/metrics.ts'

const scrape = (fast: number, slow: number) =>
  new Metrics(`# TYPE x_seconds histogram
x_seconds_count{stream="a"} ${fast + slow} 1700000000000
x_seconds_bucket{stream="a",le="0.001"} ${fast} 1700000000000
x_seconds_bucket{stream="a",le="0.01"} ${fast + slow}
x_seconds_bucket{stream="a",le="+Inf"} ${fast + slow}
x_seconds_bucket{stream="b",le="+Inf"} 0
`)

test('a metric is the sum of its series', () => {
  assert.equal(scrape(3, 4).sum('x_seconds_count'), 7)
  assert.equal(scrape(3, 4).sum('x_seconds'), 0)
})

test('a quantile is of what came between the two scrapes', () => {
  const before = scrape(1000, 0).buckets('x_seconds')
  const after = scrape(1010, 90).buckets('x_seconds')
  assert.equal(quantileBound(before, after, 0.1), 0.001)
  assert.equal(quantileBound(before, after, 0.11), 0.01)
  assert.equal(quantileBound(before, before, 0.5), Number.NaN)
})
