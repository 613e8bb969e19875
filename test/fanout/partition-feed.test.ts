import assert from 'node:assert/strict'
import test from 'node:test'
import { PartitionFeed } from '../../src/fanout/partition-feed.ts'
import type { NewEntry } from '../../src/log/entry.ts'
import type { Generations } from '../../src/log/record.ts'
import { Instruments } from '../../src/telemetry/instruments.ts'
import { smallPool } from '../model/window.ts'

function feedAt(offset: number, generations: Generations = 'ranges'): PartitionFeed {
  const options = { pool: smallPool({ payloadBytes: 4096, entries: 16, generations }), seed: 1 }
  const feed = new PartitionFeed(
    { stream: 'events', incarnation: 'one', partition: 0 },
    options,
    new Instruments().stream('events'),
  )
  feed.window.start(offset, -1)
  return feed
}

const nothing = Buffer.from('s')

function entry(offset: number, epoch: number): NewEntry {
  const bounds = { eventStart: 0, eventEnd: 1, subjectAt: 0, subjectLength: 1, traceStart: -1, traceEnd: -1 }
  return { buffer: nothing, traceBuffer: nothing, ...bounds, offset, timeMs: 0, generation: epoch, hash: 1 }
}

test('a log that was created again begins at its own first record, not at that of the old one', () => {
  const feed = feedAt(50)
  feed.batchEnd(60, { first: 40, head: 60 }, 9000)
  feed.restart('two')
  assert.deepEqual([feed.first, feed.brokerHead, feed.window.head], [0, 0, 0])
})

test('once there are more partitions, what was read past a record that was not its own is read again', () => {
  const feed = feedAt(50)
  feed.batchEnd(60, { first: 40, head: 60 }, 9000)
  feed.regrown()
  assert.deepEqual([feed.window.tail, feed.rewrites], [50, 0])
  feed.misrouted = true
  feed.regrown()
  assert.deepEqual([feed.window.tail, feed.window.head, feed.rewrites], [60, 60, 1])
})

for (const generations of ['ranges', 'times'] as const) {
  test(`what is read again once there are more partitions is still of its history (${generations})`, () => {
    const feed = feedAt(50, generations)
    feed.batchEnd(50, { first: 50, head: 50 }, 9000)
    for (let offset = 50; offset < 53; offset++) feed.window.append(entry(offset, 1000))
    feed.lost({ from: 51, to: 52, reason: 'rewritten' })
    feed.window.append(entry(51, 2000))
    feed.passed(feed.window, { offset: 52, generation: 2000, timeMs: 0 }, 'misrouted')
    feed.regrown()
    assert.equal(feed.window.tail, 53)
    assert.equal(feed.positionAt(53).generation, 2000)
    assert.equal(feed.window.divergence(53, 1000), 51, 'who has the history that was cut off')
    assert.equal(feed.window.divergence(52, 1000), 51)
    assert.equal(feed.window.divergence(53, 2000), Number.POSITIVE_INFINITY)
  })
}
