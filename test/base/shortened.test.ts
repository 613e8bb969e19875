import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { shortJson, shown } from '../../src/base/shortened.ts'
import { quote } from '../../src/edge/query.ts'

/** Nested arrays that JSON.parse reads, but JSON.stringify can't write. */
const deep: unknown = JSON.parse('['.repeat(20_000) + ']'.repeat(20_000))
const round: Record<string, unknown> = {}
round.self = round

const describers = { quote, shown, shortJson: (value: unknown) => shortJson(value, 80) }

for (const [name, describe] of Object.entries(describers)) {
  test(`${name} takes any value and returns a short description`, () => {
    for (const value of [deep, { deep }, [deep], round, 1n, undefined, Symbol('s'), '\ud800'.repeat(100)]) {
      assert.ok(describe(value).length <= 500, name)
    }
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withNullPrototype: true }), (value) => describe(value).length <= 500),
    )
  })
}

test('strings and numbers are shown unchanged, other values by kind', () => {
  assert.equal(quote('a"b'), '"a\\"b"')
  assert.equal(quote(17), '17')
  assert.equal(quote([deep]), 'an array')
  assert.equal(quote({ a: 1 }), 'an object')
  assert.equal(shortJson({ a: 1 }, 80), '{"a":1}')
})
