import assert from 'node:assert/strict'
import test from 'node:test'
import { PartitionFeed } from '../../src/fanout/partition-feed.ts'
import type { ReaderOwner } from '../../src/session/reader.ts'
import type { Leg } from '../../src/session/subscription.ts'
import { Tracks } from '../../src/session/tracks.ts'
import { Instruments } from '../../src/telemetry/instruments.ts'
import { encodeToken } from '../../src/wire/token.ts'
import { smallPool } from '../model/window.ts'

test('a token names the partitions that a session reads, and none that it has left', () => {
  const options = { pool: smallPool({ payloadBytes: 4096, entries: 16 }), seed: 1 }
  const instruments = new Instruments().stream('events')
  const [a, b] = [0, 1].map(
    (partition) => new PartitionFeed({ stream: 'events', incarnation: 'one', partition }, options, instruments),
  )
  const account = { charge() {}, give() {} }
  const owner = { account, wake() {}, owing() {}, readBack: { forget() {} } } as unknown as ReaderOwner
  const tracks = new Tracks(owner, 'asked')
  const enter = (feed: PartitionFeed): Leg => {
    const leg = { feed, subscription: { subject: 'a', legs: [] as Leg[] }, membership: undefined } as unknown as Leg
    leg.subscription.legs.push(leg)
    tracks.open({ feed, offset: 5, gaps: [] }).join(leg)
    return leg
  }
  const names = (...feeds: PartitionFeed[]) => {
    assert.equal(tracks.token('brief'), encodeToken(feeds.map((feed) => feed.positionAt(5))))
  }
  const inA = enter(a!)
  names(a!)
  const inB = enter(b!)
  names(a!, b!)
  tracks.leave(inB)
  names(a!)
  tracks.leave(inA)
  names()
  const again = enter(b!)
  names(b!)
  tracks.leave(again)
  names()
  enter(a!)
  tracks.close()
  names()
})
