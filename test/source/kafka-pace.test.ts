import assert from 'node:assert/strict'
import test from 'node:test'
import { Pace } from '../../src/source/kafka/pace.ts'

const pauseMs = 2
const fetchMs = 1

/**
 * Simulates fetches of a partition that receives a record every `everyMs`. Returns the wait of
 * each record, and the number of fetches.
 */
function reading(everyMs: number, forMs: number) {
  const pace = new Pace(pauseMs)
  const waits: number[] = []
  let fetches = 0
  let next = 0
  for (let now = 0; now < forMs; ) {
    // The broker holds the fetch until there is a record.
    now = Math.max(now, next) + fetchMs
    fetches++
    for (; next <= now - fetchMs; next += everyMs) waits.push(now - next)
    now += pace.pauseMs(now)
  }
  return { waits, fetches }
}

test('records that arrive further apart than the pause are each fetched immediately', () => {
  const { waits } = reading(2.25, 1000)
  assert.deepEqual(new Set(waits), new Set([fetchMs]))
})

test('while records stream in, there is a pause after each fetch except the first few', () => {
  const { fetches } = reading(0.1, 1000)
  const unpaused = 6
  assert.ok(fetches <= 1000 / (fetchMs + pauseMs) + unpaused, `${fetches} fetches`)
})

test('after a silence, only the first few records are fetched without a pause', () => {
  const pace = new Pace(pauseMs)
  const paused = (nowMs: number) => pace.pauseMs(nowMs) > 0
  assert.deepEqual([0, 0, 0, 0, 0, 2].map(paused), [false, false, false, false, true, true])
  assert.deepEqual([9000, 9000, 9000, 9000, 9000].map(paused), [false, false, false, false, true])
  for (let i = 0; i < 100; i++) assert.ok(paused(9000), 'nor is the lack of it')
  assert.equal(paused(9000 + 2 * pauseMs), false)
})

test('a pause of 0 disables pacing', () => {
  const pace = new Pace(0)
  assert.deepEqual(
    [0, 0, 0, 0, 0, 0].map((now) => pace.pauseMs(now)),
    [0, 0, 0, 0, 0, 0],
  )
})
