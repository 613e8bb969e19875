import assert from 'node:assert/strict'
import test from 'node:test'
import { Epochs } from '../../src/log/epochs.ts'

test('an epoch that was forgotten is unknown, never another one', () => {
  const epochs = new Epochs()
  epochs.start(1000, 5)
  const starts = Array.from({ length: 300 }, (_, i) => 1000 + i * 10)
  starts.forEach((offset, i) => {
    epochs.note(offset, 10 + i)
  })
  const known = starts.map((offset) => epochs.before(offset + 1, 5000))
  assert.deepEqual(
    known.slice(43),
    Array.from({ length: 257 }, (_, i) => 53 + i),
  )
  assert.deepEqual(new Set(known.slice(0, 43)), new Set([-1]))
  assert.equal(epochs.before(1000, 5000), -1)
  assert.equal(epochs.end(5), 1431, 'where the log is known again, and of a later epoch')
})

test('a log cut below where it was first seen says nothing of the records before the cut', () => {
  const epochs = new Epochs()
  epochs.start(100, 3)
  epochs.note(100, 3)
  epochs.truncate(100)
  assert.equal(epochs.before(100, 100), 3)
  epochs.truncate(50)
  assert.equal(epochs.before(50, 200), -1)
  assert.equal(epochs.before(150, 200), -1, 'holes only since then')
  epochs.note(160, 7)
  assert.equal(epochs.before(161, 200), 7)
  assert.equal(epochs.end(3), 160)
})

test('a log that starts in a later epoch than a token ends for that token where it starts', () => {
  const epochs = new Epochs()
  epochs.start(100, 3)
  assert.deepEqual([epochs.end(2), epochs.end(3)], [100, undefined])
})

test('an epoch that may begin in what was lost unseen agrees with no more than what was seen', () => {
  const epochs = new Epochs()
  epochs.start(0, -1)
  epochs.note(0, 1)
  epochs.note(20, 2, 12)
  assert.equal(epochs.end(1), 12)
  // A token from in between would claim an epoch that was over.
  assert.deepEqual(
    [12, 13, 20, 21].map((offset) => epochs.before(offset, 30)),
    [1, -1, -1, 2],
  )
})
