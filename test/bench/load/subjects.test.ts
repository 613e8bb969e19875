import assert from 'node:assert/strict'
import test from 'node:test'
import { seededRandom } from '../../../src/base/random.ts'
import { followedSubjects, publishedSubjects, subjectName, Zipf } from '../../../src/bench/load/subjects.ts'

test("Zipf's ranks come as often as the law says", () => {
  const zipf = new Zipf(100)
  const random = seededRandom(1)
  const counts = new Array<number>(100).fill(0)
  const draws = 200_000
  for (let i = 0; i < draws; i++) counts[zipf.rank(random.next())]!++
  const harmonic = counts.reduce((sum, _, rank) => sum + 1 / (rank + 1), 0)
  for (const rank of [0, 1, 9, 49, 99]) {
    const expected = draws / (rank + 1) / harmonic
    assert.ok(
      Math.abs(counts[rank]! - expected) < 5 * Math.sqrt(expected),
      `rank ${rank}: ${counts[rank]}, ${expected}`,
    )
  }
})

test('every uniform number has a rank', () => {
  const zipf = new Zipf(3)
  assert.equal(zipf.rank(0), 0)
  assert.equal(zipf.rank(1 - 2 ** -53), 2)
})

test('a spread gives clients and events the subjects that it says', () => {
  assert.deepEqual([...followedSubjects('each-own', 4, 4, 1)], [0, 1, 2, 3])
  assert.deepEqual([...followedSubjects('one', 3, 1, 1)], [0, 0, 0])
  assert.deepEqual(followedSubjects('zipf', 50, 10, 7), followedSubjects('zipf', 50, 10, 7))
  const next = publishedSubjects('each-own', 3, 1)
  assert.deepEqual([next(), next(), next(), next()], [0, 1, 2, 0])
  assert.equal(subjectName('p.s', 42), 'p.s0000042')
})
