import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lowestToken } from '../../src/client/resume-point.ts'
import { TrackedSubscription } from '../../src/client/tracked-subscription.ts'
import { decodeToken, growthPosition } from '../../src/wire/token.ts'
import { at, delivery, following, log, token } from './following.ts'

test('it resumes after the newest event, and each event comes once', () => {
  const { followed, told, offsets, take } = following('a', at(3))
  for (const offset of [3, 5, 5, 4, 6]) take(delivery('a', offset))
  assert.deepEqual(told, [3, 5, 6])
  assert.deepEqual(offsets(), [[0, 7]])
  assert.deepEqual(followed.request(9), { ref: 9, subject: 'a', after: [token(at(7))] })
})

test('before a position is known it requests the start of its subscriber', () => {
  const { sink: inflow } = following('a').followed
  assert.deepEqual(new TrackedSubscription('a', ['earliest'], inflow).request(1).after, ['earliest'])
  assert.deepEqual(new TrackedSubscription('a', [token(at(4))], inflow).request(1).after, [token(at(4))])
  assert.throws(() => new TrackedSubscription('a', ['nonsense'], inflow), { code: 'bad_token' })
})

test('an unknown generation does not replace a known one', () => {
  const { followed } = following('a', at(5, 0, log, 3))
  followed.subscribed(token(at(5, 0, log, -1)))
  assert.equal(followed.resumePoint.positions[0]!.generation, 3)
  followed.subscribed(token(at(6, 0, log, -1)))
  assert.equal(followed.resumePoint.positions[0]!.generation, -1)
})

test('it reports when its sink wants no more', () => {
  const { take, fill } = following('a', at(0))
  assert.equal(take(delivery('a', 0)), true)
  fill()
  assert.equal(take(delivery('a', 1)), false)
})

test('a merged token has the lowest count, and none if one token has none', () => {
  const knowing = (count: number) => token(at(3), growthPosition(log, count))
  assert.deepEqual(decodeToken(lowestToken([knowing(3), knowing(2)])!), decodeToken(knowing(2)))
  assert.deepEqual(decodeToken(lowestToken([knowing(3), token(at(2))])!), [at(2)])
})
