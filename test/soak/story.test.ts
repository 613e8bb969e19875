import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Story, tally } from './story.ts'

/** A follower of subject 0 in partition 0, each event's offset being its number. */
function follower(fromFirst = true) {
  const all = tally()
  const story = new Story(all, fromFirst)
  const take = (...numbers: number[]) => {
    for (const number of numbers) story.event(0, number, 0, number)
  }
  const counts = () => [all.events, all.lost, all.repeated, all.disordered, all.again]
  return { all, story, take, counts }
}

test('everything once and in order is well', () => {
  const { story, take, counts } = follower()
  take(0, 1, 2)
  assert.deepEqual([story.has(0, 3), story.has(0, 4)], [true, false])
  story.end(0, 3)
  assert.deepEqual(counts(), [3, 0, 0, 0, 0])
})

test('what is passed over, or never comes, is lost', () => {
  const { story, take, counts } = follower()
  take(0, 3)
  assert.equal(story.has(0, 4), false)
  story.end(0, 6)
  assert.deepEqual(counts(), [2, 4, 0, 0, 0])
})

test('what comes again is repeated, also behind a new connection that is exact', () => {
  const { story, take, counts } = follower()
  take(0, 1)
  story.connected(false)
  take(1, 2)
  story.end(0, 3)
  assert.deepEqual(counts(), [4, 0, 1, 1, 0])
})

test('where tokens are older than what was given, what comes again after a connect is dropped by offset', () => {
  const { story, take, counts } = follower()
  take(0, 1, 2)
  story.connected(true)
  take(1, 2, 3)
  assert.deepEqual(counts(), [4, 0, 0, 0, 2])
  take(2)
  assert.deepEqual(counts(), [4, 0, 0, 0, 3])
})

test('numbers that reached the log in another order are neither lost nor repeated, but offsets must ascend', () => {
  const { story, counts } = follower()
  story.event(0, 1, 0, 10)
  story.event(0, 0, 0, 11)
  story.end(0, 2)
  assert.deepEqual(counts(), [2, 0, 0, 0, 0])
  story.event(0, 2, 0, 9)
  assert.deepEqual(counts(), [3, 0, 0, 1, 0])
})

test('behind a gap anything may come, and the gap is counted', () => {
  const { all, story, take, counts } = follower()
  take(0, 1)
  story.gap(0, 'retention')
  take(7, 8)
  story.end(0, 9)
  assert.deepEqual(counts(), [4, 0, 0, 0, 0])
  assert.deepEqual([...all.gaps], [['retention', 1]])
})

test('one that begins in the midst is owed what follows its first event', () => {
  const { story, take, counts } = follower(false)
  assert.equal(story.has(0, 5), true)
  take(5, 7)
  story.leave()
  assert.deepEqual(counts(), [2, 1, 0, 0, 0])
})
