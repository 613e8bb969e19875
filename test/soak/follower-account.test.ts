import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FollowerAccount, tally } from './follower-account.ts'

/** A follower of subject 0 in partition 0, each event's offset being its number. */
function follower(fromFirst = true) {
  const all = tally()
  const account = new FollowerAccount(all, fromFirst)
  const take = (...numbers: number[]) => {
    for (const number of numbers) account.event(0, number, 0, number)
  }
  /** Events, lost, repeated, disordered and again, once there are so many events. */
  const counts = (published: number) => {
    const counted = Uint32Array.from([published])
    const { late, lost } = all.account.lacking(account.standings([0], counted), { counts: counted, unknown: [] })
    return [all.events, lost + late, all.account.repeated, all.disordered, all.again]
  }
  return { all, account, take, counts }
}

test('everything once and in order is well', () => {
  const { account, take, counts } = follower()
  take(0, 1, 2)
  assert.deepEqual([account.has(0, 3), account.has(0, 4)], [true, false])
  assert.deepEqual(counts(3), [3, 0, 0, 0, 0])
})

test('what is passed over, or never comes, is lost, also where nothing has come', () => {
  const { account, take, counts } = follower()
  take(0, 3)
  assert.equal(account.has(0, 6), false)
  assert.deepEqual(counts(6), [2, 4, 0, 0, 0])
  const silent = follower()
  assert.equal(silent.account.has(0, 2), false)
  assert.deepEqual(silent.counts(2), [0, 2, 0, 0, 0])
})

test('what comes again is repeated, also behind a new connection that is exact', () => {
  const { account, take, counts } = follower()
  take(0, 1)
  account.connected(false)
  take(1, 2)
  assert.deepEqual(counts(3), [4, 0, 1, 1, 0])
})

test('where tokens are older than what was given, what comes again after a connect is dropped by offset', () => {
  const { account, take, counts } = follower()
  take(0, 1, 2)
  account.connected(true)
  take(1, 2, 3)
  assert.deepEqual(counts(4), [4, 0, 0, 0, 2])
  take(2)
  assert.deepEqual(counts(4), [4, 0, 0, 0, 3])
})

test('offsets must ascend, whatever the numbers say', () => {
  const { account, counts } = follower()
  account.event(0, 0, 0, 10)
  account.event(0, 1, 0, 9)
  assert.deepEqual(counts(2), [2, 0, 0, 1, 0])
})

test('behind a gap anything may come, and the gap is counted', () => {
  const { all, account, take, counts } = follower()
  take(0, 1)
  account.gap(0, 'retention')
  assert.equal(account.has(0, 9), true)
  take(7, 8)
  assert.deepEqual(counts(9), [4, 0, 0, 0, 0])
  assert.deepEqual([...all.gaps], [['retention', 1]])
})

test('one that begins in the midst is owed what follows its first event', () => {
  const { account, take, counts } = follower(false)
  assert.equal(account.has(0, 5), true)
  take(5, 7)
  assert.deepEqual(counts(8), [2, 1, 0, 0, 0])
})
