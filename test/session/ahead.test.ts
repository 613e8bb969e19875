import assert from 'node:assert/strict'
import test from 'node:test'
import type { Feeds } from '../../src/fanout/feeds.ts'
import type { FeedReader, PartitionFeed } from '../../src/fanout/partition-feed.ts'
import { AheadWatch } from '../../src/session/ahead.ts'
import type { Reader } from '../../src/session/reader.ts'
import { ManualClock } from '../model/clock.ts'

/** A partition whose broker gives these ends, one a question, the last one again and again; undefined = no answer. */
function watched(...ends: (number | undefined)[]) {
  const clock = new ManualClock()
  const feed = { parked: new Set<FeedReader>() } as unknown as PartitionFeed
  const brokerHead = () => {
    const end = ends.length > 1 ? ends.shift() : ends[0]
    return end === undefined ? Promise.reject(new Error('away')) : Promise.resolve(end)
  }
  const watch = new AheadWatch({ brokerHead } as unknown as Feeds, clock)
  const park = () => {
    const told: number[] = []
    const reader = { feed, cutBackTo: (end: number) => told.push(end) } as unknown as Reader
    feed.parked.add(reader)
    watch.watch(reader)
    return { told, leave: () => feed.parked.delete(reader) }
  }
  return { clock, park }
}

test('a reader that is ahead is judged once the broker has said its end twice, by the higher one', async () => {
  const { clock, park } = watched(50, 70)
  const { told } = park()
  await clock.advance(1999)
  assert.deepEqual(told, [])
  await clock.advance(1)
  assert.deepEqual(told, [70])
})

test('an answer that does not come is none of the two', async () => {
  const { clock, park } = watched(50, undefined, 60)
  const { told } = park()
  await clock.advance(3000)
  assert.deepEqual(told, [])
  await clock.advance(1000)
  assert.deepEqual(told, [60])
})

test('who came between the two questions is not judged by them', async () => {
  const { clock, park } = watched(50)
  const first = park()
  await clock.advance(1000)
  const second = park()
  await clock.advance(1000)
  assert.deepEqual([first.told, second.told], [[50], []])
  await clock.advance(1000)
  assert.deepEqual(second.told, [50])
})

test('who has left is not judged, and with nobody ahead the broker is not asked', async () => {
  const { clock, park } = watched(50)
  const { told, leave } = park()
  await clock.advance(1000)
  leave()
  await clock.advance(5000)
  assert.deepEqual(told, [])
  assert.equal(clock.waiting, 0)
})
