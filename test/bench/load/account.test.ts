import assert from 'node:assert/strict'
import test from 'node:test'
import { Account } from '../../../src/bench/load/account.ts'

const client = (subjectIndex = 0) => ({ subjectIndex, next: 0, toldGap: false })
const published = (counts: number[], unknown: [number, number][] = []) => ({
  counts: Uint32Array.from(counts),
  unknown,
})

test('events in order and without holes leave nothing to complain of', () => {
  const account = new Account()
  const one = client()
  for (let n = 0; n < 5; n++) account.event(one, n)
  assert.deepEqual(account.lacking([one], published([5])), { late: 0, lost: 0, told: 0 })
  assert.equal(account.repeated, 0)
})

test('what is passed over is lost, what has not come is late, what comes again is repeated', () => {
  const account = new Account()
  const one = client(1)
  for (const n of [0, 3, 3, 2]) account.event(one, n)
  assert.deepEqual(account.lacking([one], published([99, 6])), { late: 2, lost: 2, told: 0 })
  assert.equal(account.repeated, 2)
})

test('what a gap told of is counted apart, once', () => {
  const account = new Account()
  const one = client()
  one.toldGap = true
  account.event(one, 4)
  account.event(one, 6)
  assert.deepEqual(account.lacking([one], published([7])), { late: 0, lost: 1, told: 4 })
  one.toldGap = true
  assert.deepEqual(account.lacking([one], published([9])), { late: 0, lost: 1, told: 6 })
})

test('an event whose publisher does not know its fate may be missing, or be there', () => {
  const account = new Account()
  const [one, other] = [client(2), client(2)]
  for (const n of [0, 2]) account.event(one, n)
  for (const n of [0, 1, 2]) account.event(other, n)
  const fate = published(
    [0, 0, 4],
    [
      [2, 1],
      [2, 3],
      [5, 0],
    ],
  )
  assert.deepEqual(account.lacking([one, other], fate), { late: 0, lost: 0, told: 0 })
  assert.deepEqual(account.lacking([one], published([0, 0, 4])), { late: 1, lost: 1, told: 0 })
})
