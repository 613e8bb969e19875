import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { RateSearch } from '../../src/bench/find.ts'

/** Searches where just the rates up to `capacity` pass; returns the rates tried. */
function search(
  first: number,
  capacity: number,
  least = 1,
  most = 1e6,
): { found: number | undefined; tried: number[] } {
  const found = new RateSearch(first, least, most)
  const tried: number[] = []
  for (let rate = found.next; rate !== undefined; rate = found.next) {
    tried.push(rate)
    assert.ok(tried.length < 100, 'the search must end')
    found.tell(rate <= capacity ? 'passed' : 'failed')
  }
  return { found: found.found, tried }
}

test('the highest rate that passes is found within 10 %, from wherever one begins', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 1, max: 900_000 }), (first, capacity) => {
      const { found, tried } = search(first, capacity)
      assert.ok(found !== undefined && found <= capacity && found >= capacity / 1.1, `${found} of ${capacity}`)
      assert.ok(tried.filter((rate) => rate === found).length >= 3, 'what is reported has passed three times')
    }),
  )
})

test('a search has no result where nothing passes, and the most that was allowed where everything does', () => {
  assert.equal(search(1000, 0).found, undefined)
  assert.equal(search(1000, Number.POSITIVE_INFINITY, 1, 50_000).found, 50_000)
})

test('a rate that passes only sometimes is given up for a lower one', () => {
  const found = new RateSearch(100, 1, 1e6)
  const seen = new Map<number, number>()
  for (let rate = found.next; rate !== undefined; rate = found.next) {
    const times = (seen.get(rate) ?? 0) + 1
    seen.set(rate, times)
    // Above 500 the first try passes and no other.
    found.tell(rate <= 500 || (rate <= 1000 && times === 1) ? 'passed' : 'failed')
  }
  assert.ok(found.found !== undefined && found.found <= 500, `${found.found}`)
})
