import assert from 'node:assert/strict'
import test from 'node:test'
import { PartitionFeed } from '../../src/fanout/partition-feed.ts'
import type { NewEntry } from '../../src/log/entry.ts'
import type { Generations } from '../../src/log/record.ts'
import { Instruments } from '../../src/telemetry/instruments.ts'
import { smallPool } from '../model/window.ts'

function feedOf(firstOffset: number, generations: Generations = 'ranges'): PartitionFeed {
  const options = { pool: smallPool({ payloadBytes: 4096, entries: 16, generations }), seed: 1 }
  const served = { stream: 'events', incarnation: 'one', partition: 0, firstOffset }
  return new PartitionFeed(served, options, new Instruments().stream('events'))
}

function feedAt(offset: number, generations: Generations = 'ranges'): PartitionFeed {
  const feed = feedOf(0, generations)
  feed.window.start(offset, -1)
  return feed
}

const nothing = Buffer.from('s')

function entry(offset: number, epoch: number): NewEntry {
  const bounds = { eventStart: 0, eventEnd: 1, subjectAt: 0, subjectLength: 1, traceStart: -1, traceEnd: -1 }
  return { buffer: nothing, traceBuffer: nothing, ...bounds, offset, timeMs: 0, generation: epoch, hash: 1 }
}

test('a partition starts at the first record of its log: before it is read, in a new log, and after it was left', () => {
  for (const firstOffset of [0, 1]) {
    const feed = feedOf(firstOffset)
    const { window } = feed
    const begins = () => [feed.first, window.head, window.tail, window.indexTail]
    const beginning = [firstOffset, firstOffset, firstOffset, firstOffset]
    assert.deepEqual(begins(), beginning)
    for (const change of [() => feed.restart('two'), () => feed.leave()]) {
      window.start(50, -1)
      feed.batchEnd(60, { first: 40, head: 60 }, 9000)
      change()
      assert.deepEqual(begins(), beginning)
      assert.equal(feed.brokerHead, 0)
    }
  }
})

test('after the partition count grows, a window that skipped a misrouted record is read again', () => {
  const feed = feedAt(50)
  feed.batchEnd(60, { first: 40, head: 60 }, 9000)
  feed.regrown()
  assert.deepEqual([feed.window.tail, feed.rewrites], [50, 0])
  feed.misrouted = true
  feed.regrown()
  assert.deepEqual([feed.window.tail, feed.window.head, feed.rewrites], [60, 60, 1])
})

for (const generations of ['ranges', 'times'] as const) {
  test(`after the partition count grows, records are still of their history (${generations})`, () => {
    const feed = feedAt(50, generations)
    feed.batchEnd(50, { first: 50, head: 50 }, 9000)
    for (let offset = 50; offset < 53; offset++) feed.window.append(entry(offset, 1000))
    feed.lost({ from: 51, to: 52, reason: 'rewritten' })
    feed.window.append(entry(51, 2000))
    feed.passed(feed.window, { offset: 52, generation: 2000, timeMs: 0 }, 'misrouted')
    feed.regrown()
    assert.equal(feed.window.tail, 53)
    assert.equal(feed.positionAt(53).generation, 2000)
    assert.equal(feed.window.divergence(53, 1000), 51, 'a position of the history that was cut off')
    assert.equal(feed.window.divergence(52, 1000), 51)
    assert.equal(feed.window.divergence(53, 2000), Number.POSITIVE_INFINITY)
  })
}
