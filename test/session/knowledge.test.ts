import assert from 'node:assert/strict'
import test from 'node:test'
import { resolveStarts } from '../../src/session/start.ts'
import { saidBy } from '../../src/wire/partition-counts.ts'
import { growthPosition, maxPositions, type Position } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { TestGateway } from './harness.ts'

const partitions = 256
const lookup = { first: () => Promise.resolve(0), atTime: () => Promise.resolve(0) }
const growth = { own: true, count: () => partitions, moved: () => false }

/** A position that counts reads of it. */
function watched(position: Position, looked: () => void): Position {
  return {
    ...position,
    get nameHash() {
      looked()
      return position.nameHash
    },
  }
}

test('judging a token costs the sum of its positions and partitions, not their product', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', partitions), {}, { entries: partitions })
  const feeds = gateway.stream.partitions
  const last = { ...feeds.at(-1)!.positionAt(0), generation: -1 }
  const inLast = Array.from({ length: maxPositions - 1 }, (_, i) => ({ ...last, incarnationHash: i }))
  const lists: Position[][] = [
    inLast,
    [...inLast, last],
    [...inLast.map((log) => growthPosition(log, 1)), growthPosition(last, 1)],
    feeds.map((feed) => feed.positionAt(0)),
  ]
  for (const positions of lists) {
    let looks = 0
    const seen = positions.map((each) => watched(each, () => looks++))
    const starts = await resolveStarts({ kind: 'positions', ...saidBy(seen) }, feeds, growth, lookup)
    assert.equal(starts.length, partitions)
    assert.ok(looks <= 8 * (positions.length + partitions), `looked ${looks} times`)
  }
})
