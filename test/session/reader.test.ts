import assert from 'node:assert/strict'
import test from 'node:test'
import { PartitionFeed } from '../../src/fanout/partition-feed.ts'
import { Reader, type ReaderOwner } from '../../src/session/reader.ts'
import { Instruments } from '../../src/telemetry/instruments.ts'
import { smallPool } from '../model/window.ts'

const account = { charge() {}, give() {} }
const owner = { account, wake() {}, gapsPending() {}, watchParked() {} } as unknown as ReaderOwner

/** A partition with head 8 in generation 3, and no records in memory. */
function emptyFeed(): PartitionFeed {
  const options = { pool: smallPool({ payloadBytes: 4096, entries: 16 }), seed: 1 }
  const instruments = new Instruments().stream('events')
  const feed = new PartitionFeed({ stream: 'events', incarnation: 'one', partition: 0 }, options, instruments)
  feed.window.start(8, 3)
  return feed
}

test('when another log begins, each reader keeps the position of its client in the old one, with the generation known there', () => {
  const feed = emptyFeed()
  const reader = (offset: number, generation: number) => new Reader(owner, { feed, offset, gaps: [], generation })
  const [atHead, ahead, behind] = [reader(8, -1), reader(12, 7), reader(5, 2)]
  const { nameHash, incarnationHash } = feed
  feed.restart('two')
  assert.deepEqual(
    [atHead, ahead, behind].map((reader) => reader!.position()),
    [
      { nameHash, incarnationHash, partition: 0, offset: 8, generation: 3 },
      { nameHash, incarnationHash, partition: 0, offset: 12, generation: 7 },
      { nameHash, incarnationHash, partition: 0, offset: 5, generation: 2 },
    ],
  )
})

test('until a client ahead of the head gets the gap of a rewrite, its position keeps its generation', () => {
  const feed = emptyFeed()
  const reader = new Reader(owner, { feed, offset: 12, gaps: [], generation: 3 })
  reader.queue()
  feed.window.advance(10, 3)
  feed.window.advance(12, 4)
  const isAsBefore = () => assert.deepEqual([reader.position()!.offset, reader.position()!.generation], [12, 3])
  isAsBefore()
  reader.moved()
  assert.equal(reader.hasPendingGaps, true)
  isAsBefore()
})
