import assert from 'node:assert/strict'
import { test } from 'node:test'
import { quantile } from './watch.ts'

const buckets = (...counts: readonly number[]) =>
  new Map([10, 25, 50, Number.POSITIVE_INFINITY].map((bound, i) => [bound, counts[i]!]))
const none = buckets(0, 0, 0, 0)

test('a quantile covers the values between two scrapes and interpolates within its bucket', () => {
  assert.equal(quantile(none, buckets(0, 100, 100, 100), 0.5), 17.5)
  assert.equal(quantile(buckets(90, 90, 90, 90), buckets(90, 90, 190, 190), 0.5), 37.5)
})

test('a quantile beyond the last bound is that bound, and without values it is NaN', () => {
  assert.equal(quantile(none, buckets(0, 0, 0, 9), 0.99), 50)
  assert.ok(Number.isNaN(quantile(none, none, 0.99)))
  assert.ok(Number.isNaN(quantile(new Map(), new Map(), 0.99)))
})
