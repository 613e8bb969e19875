import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { Backoff, backoffDefaults } from '../../src/client/backoff.ts'

const most = { next: () => 0.999999 }

test('the bound of a pause doubles with each consecutive failure, up to the maximum', () => {
  const backoff = new Backoff(most, { firstMs: 100, mostMs: 1000 })
  const pauses = Array.from({ length: 6 }, () => Math.round(backoff.next(0)))
  assert.deepEqual(pauses, [100, 200, 400, 800, 1000, 1000])
})

test('a success resets the bound', () => {
  const backoff = new Backoff(most, { firstMs: 100, mostMs: 1000 })
  backoff.next(0)
  backoff.next(0)
  backoff.reset()
  assert.equal(Math.round(backoff.next(0)), 100)
})

test('pauses are spread over the whole range below the bound', () => {
  const random = seededRandom(7)
  const pauses = Array.from({ length: 1000 }, () => new Backoff(random, { firstMs: 100, mostMs: 1000 }).next(0))
  for (const edge of [0, 25, 50, 75]) {
    const share = pauses.filter((pause) => pause >= edge && pause < edge + 25).length
    assert.ok(share > 200, `${share} of 1000 pauses between ${edge} and ${edge + 25} ms`)
  }
})

test('the pause is never shorter than the one the gateway requested', () => {
  const backoff = new Backoff({ next: () => 0 }, { firstMs: 100, mostMs: 1000 })
  assert.equal(backoff.next(5000), 5000)
})

test('a thousand consecutive failures stay within the bound', () => {
  const backoff = new Backoff(most)
  for (let i = 0; i < 1100; i++) assert.ok(backoff.next(0) <= backoffDefaults.mostMs)
})
