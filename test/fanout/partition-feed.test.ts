import assert from 'node:assert/strict'
import test from 'node:test'
import { PartitionFeed } from '../../src/fanout/partition-feed.ts'
import { Instruments } from '../../src/telemetry/instruments.ts'
import { smallPool } from '../model/window.ts'

function feedAt(offset: number): PartitionFeed {
  const options = { pool: smallPool({ payloadBytes: 4096, entries: 16 }), seed: 1 }
  const feed = new PartitionFeed(
    { stream: 'events', incarnation: 'one', partition: 0 },
    options,
    new Instruments().stream('events'),
  )
  feed.window.start(offset, -1)
  return feed
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
