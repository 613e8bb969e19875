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

/** Ends a batch whose last record has this time; 0 = no record. */
function batch(feed: PartitionFeed, [next, head]: readonly [number, number], nowMs: number, lastTimeMs = 0): void {
  feed.lastTimeMs = lastTimeMs
  feed.batchEnd(next, { first: 0, head }, nowMs)
}

test('with everything read, the unread age is 0, however old the last record is', () => {
  const feed = feedAt(0)
  assert.equal(feed.unreadAgeMs(9000), 0)
  batch(feed, [5, 5], 9000, 1000)
  assert.equal(feed.unreadAgeMs(9000), 0)
})

test('during a catch-up, unread records are as old as the last record read', () => {
  const feed = feedAt(0)
  batch(feed, [5, 50], 9000, 1000)
  assert.equal(feed.unreadAgeMs(9000), 8000)
  batch(feed, [45, 50], 9100, 8900)
  assert.equal(feed.unreadAgeMs(9200), 300)
  batch(feed, [50, 50], 9300, 9250)
  assert.equal(feed.unreadAgeMs(9400), 0)
})

test('after a batch without records, unread records are as old as the knowledge of them', () => {
  const feed = feedAt(5)
  batch(feed, [5, 6], 9000)
  batch(feed, [5, 8], 9500)
  assert.equal(feed.unreadAgeMs(9700), 700)
})

test('the time of an earlier record does not affect a later batch without records', () => {
  const feed = feedAt(0)
  feed.lastTimeMs = 1000
  feed.batchEnd(5, { first: 0, head: 5 }, 9000)
  feed.batchEnd(5, { first: 0, head: 6 }, 9500)
  assert.equal(feed.unreadAgeMs(9700), 200)
})

test('a producer clock that is ahead yields no negative age', () => {
  const feed = feedAt(0)
  batch(feed, [5, 6], 9000, 20_000)
  assert.equal(feed.unreadAgeMs(9000), 0)
})

test('another log under the same name starts with nothing unread', () => {
  const feed = feedAt(0)
  batch(feed, [5, 50], 9000, 1000)
  feed.restart('two')
  assert.equal(feed.unreadAgeMs(9000), 0)
})
