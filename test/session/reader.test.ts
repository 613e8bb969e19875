import assert from 'node:assert/strict'
import test from 'node:test'
import { PartitionFeed } from '../../src/fanout/partition-feed.ts'
import { Reader, type ReaderOwner } from '../../src/session/reader.ts'
import { Instruments } from '../../src/telemetry/instruments.ts'
import { smallPool } from '../model/window.ts'

const owner = { wake() {}, owing() {}, watchAhead() {} } as unknown as ReaderOwner

test('when another log begins, each reader stands where its client stood in the old one, with the history that is known there', () => {
  const options = { pool: smallPool({ payloadBytes: 4096, entries: 16 }), seed: 1 }
  const feed = new PartitionFeed(
    { stream: 'events', incarnation: 'one', partition: 0 },
    options,
    new Instruments().stream('events'),
  )
  feed.window.start(8, 3)
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
