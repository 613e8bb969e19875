import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SharedRequestPlanner } from '../../src/client/shared-request.ts'
import { type SubscriptionSink, TrackedSubscription } from '../../src/client/tracked-subscription.ts'
import { decodeToken, encodeToken, growthPosition, logOf, type Position } from '../../src/wire/token.ts'

const log = logOf('events', 'first')
const silent: SubscriptionSink = {
  event: () => true,
  gap: () => true,
  moved() {},
  live() {},
  state() {},
  refused() {},
}

const at = (offset: number, generation = 0, partition = 0): Position => ({
  ...log,
  partition,
  offset,
  generation,
})

function standing(subject: string, ...positions: Position[]): TrackedSubscription {
  const followed = new TrackedSubscription(subject, [], silent)
  followed.subscribed(encodeToken(positions))
  return followed
}

const asked = (sharing: SharedRequestPlanner, all: readonly TrackedSubscription[]) =>
  sharing.next(all).members.map(({ subject }) => subject)

test('subscriptions in different histories of a partition are served separately, until each has its gap', () => {
  const sharing = new SharedRequestPlanner()
  const [older, later] = [standing('a', at(5, 0)), standing('b', at(4, 1))]
  assert.deepEqual(asked(sharing, [older, later]), ['a'])
  sharing.live([older])
  assert.deepEqual(asked(sharing, [older, later]), ['b'])
  sharing.live([later])
  assert.deepEqual(asked(sharing, [older, later]), ['a', 'b'], 'nobody has anything else to tell them')
})

test('subscriptions in different logs of a partition are served separately, though all know the same logs of the stream', () => {
  const sharing = new SharedRequestPlanner()
  const later = logOf('events', 'second')
  const inLater = (offset: number, partition: number): Position => ({ ...at(offset, -1, partition), ...later })
  const growth = [growthPosition(log, 2), growthPosition(later, 4)]
  const one = standing('a', inLater(1, 1), at(49), ...growth)
  const all = standing('>', inLater(1, 2), at(49), at(2, 0, 1), ...growth)
  assert.deepEqual(asked(sharing, [one, all]), ['a'])
  sharing.live([one])
  assert.deepEqual(
    asked(sharing, [one, all]),
    ['>'],
    'a gateway of the later log reports that partition 1 was re-created',
  )
  sharing.live([all])
  assert.deepEqual(asked(sharing, [one, all]), ['a', '>'])
})

test('subscriptions in one history are served together, from the lowest position of each partition', () => {
  const growth = growthPosition(log, 2)
  const all = [
    standing('a', at(5, 1), growth),
    standing('b', at(3, 0), growth),
    standing('c', at(9, -1), at(2, 0, 1), growth),
  ]
  const { members, after } = new SharedRequestPlanner().next(all)
  assert.equal(members.length, 3)
  assert.deepEqual(decodeToken(after[0]!), [at(3, 0), at(2, 0, 1), growth])
})
