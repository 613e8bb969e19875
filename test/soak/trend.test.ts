import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { trend } from './trend.ts'

const random = seededRandom(3)

/** One value every ten seconds. */
function series(count: number, value: (seconds: number) => number) {
  return Array.from({ length: count }, (_, i) => ({ seconds: (i + 1) * 10, value: value((i + 1) * 10) }))
}

test('noise around a level is flat', () => {
  const found = trend(series(180, () => 100 + (random.next() - 0.5) * 20))!
  assert.ok(found.flat && Math.abs(found.mean - 100) < 2, JSON.stringify(found))
})

test('growth in the first third does not count', () => {
  const found = trend(series(180, (seconds) => Math.min(100, seconds / 5)))!
  assert.deepEqual([found.flat, Math.round(found.growth)], [true, 0])
})

test('a line that climbs out of its noise is reported, however slowly', () => {
  const found = trend(series(180, (seconds) => 100 + seconds / 100 + (random.next() - 0.5) * 4))!
  assert.equal(found.flat, false)
  assert.ok(Math.abs(found.growth - 12) < 1.5, `${found.growth}`)
  assert.ok(Math.abs(found.slope * 3600 - 36) < 5, `${found.slope}`)
})

test('a falling series is flat, and a few points are no trend', () => {
  assert.equal(trend(series(100, (seconds) => 2000 - seconds))!.flat, true)
  assert.equal(trend(series(4, () => 1)), undefined)
  assert.equal(trend([]), undefined)
})
