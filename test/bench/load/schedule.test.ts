import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { Schedule } from '../../../src/bench/load/schedule.ts'

test('events are due at their rate, whenever one looks', () => {
  const looks = fc.array(fc.integer({ min: 0, max: 50_000 }))
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 500_000 }), looks, (rate, steps) => {
      const schedule = new Schedule(rate, 1_000_000)
      let nowUs = 1_000_000
      let taken = 0
      for (const step of steps) {
        nowUs += step
        const due = schedule.due(nowUs)
        if (due > 0) assert.ok(schedule.dueUs(due - 1) <= nowUs + 0.001)
        assert.ok(schedule.dueUs(due) > nowUs - 0.001)
        schedule.take(due)
        taken += due
      }
      assert.ok(Math.abs(taken - 1 - ((nowUs - 1_000_000) * rate) / 1e6) <= 1)
    }),
  )
})

test('a publisher that is late finds all that was due meanwhile, each at its own time', () => {
  const schedule = new Schedule(1000, 0)
  assert.equal(schedule.due(0), 1)
  schedule.take(1)
  assert.equal(schedule.due(999), 0)
  assert.equal(schedule.due(100_500), 100)
  assert.equal(schedule.dueUs(), 1000)
  assert.equal(schedule.dueUs(99), 100_000)
})

test('nothing is due before the start', () => {
  assert.equal(new Schedule(1_000_000, 5000).due(4000), 0)
})
