import assert from 'node:assert/strict'
import test from 'node:test'
import { GenerationRanges } from '../../src/log/generation-ranges.ts'
import { Losses } from '../../src/log/losses.ts'

test('a forgotten epoch is unknown, never another one', () => {
  const epochs = new GenerationRanges(new Losses())
  epochs.start(1000, 5)
  const starts = Array.from({ length: 300 }, (_, i) => 1000 + i * 10)
  starts.forEach((offset, i) => {
    epochs.passed(offset, 10 + i)
  })
  const known = starts.map((offset) => epochs.at(offset + 1, 5000))
  assert.deepEqual(
    known.slice(43),
    Array.from({ length: 257 }, (_, i) => 53 + i),
  )
  assert.deepEqual(new Set(known.slice(0, 43)), new Set([-1]))
  assert.equal(epochs.at(1000, 5000), -1)
  assert.equal(epochs.divergence(0, 5, 5000), 1431, 'where the log is known again, and of a later epoch')
})

test('a log cut below the first offset seen says nothing of the records before the cut', () => {
  const epochs = new GenerationRanges(new Losses())
  epochs.start(100, 3)
  epochs.passed(100, 3)
  epochs.truncate(100)
  assert.equal(epochs.at(100, 100), 3)
  epochs.truncate(50)
  assert.equal(epochs.at(50, 200), -1)
  assert.equal(epochs.at(150, 200), -1, 'holes only since then')
  epochs.passed(160, 7)
  assert.equal(epochs.at(161, 200), 7)
  assert.equal(epochs.divergence(0, 3, 5000), 160)
})

test('an epoch is older than the one below it only where another history begins there', () => {
  const epochs = new GenerationRanges(new Losses())
  epochs.start(100, 3)
  assert.deepEqual(
    [epochs.hasOlder(50, 3), epochs.hasOlder(50, 4), epochs.hasOlder(100, 4)],
    [false, true, false],
    'below what is known of the record before its start',
  )
  epochs.start(100, -1)
  assert.equal(epochs.hasOlder(50, 9), false)
  epochs.passed(100, 5)
  assert.deepEqual([epochs.hasOlder(50, 5), epochs.hasOlder(50, 6), epochs.hasOlder(101, 6)], [false, true, false])
})

test('for a token of an earlier epoch, a log that starts in a later epoch diverges at its start', () => {
  const epochs = new GenerationRanges(new Losses())
  epochs.start(100, 3)
  assert.deepEqual([epochs.divergence(0, 2, 5000), epochs.divergence(0, 3, 5000)], [100, Number.POSITIVE_INFINITY])
})

test('where an epoch may begin in records lost unseen, a token agrees only up to the records seen', () => {
  const epochs = new GenerationRanges(new Losses())
  epochs.start(0, -1)
  epochs.passed(0, 1)
  epochs.unread(12)
  epochs.passed(20, 2)
  assert.equal(epochs.divergence(0, 1, 5000), 12)
  // A token from within the loss would claim an epoch that had ended.
  assert.deepEqual(
    [12, 13, 20, 21].map((offset) => epochs.at(offset, 30)),
    [1, -1, -1, 2],
  )
})

test('another history may begin only between records of two epochs', () => {
  const epochs = new GenerationRanges(new Losses())
  assert.deepEqual([epochs.mayBegin(3, 3), epochs.mayBegin(3, 4), epochs.mayBegin(-1, 3)], [false, true, true])
})
