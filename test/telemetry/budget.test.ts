import assert from 'node:assert/strict'
import test from 'node:test'
import { Budget } from '../../src/telemetry/budget.ts'
import { ManualClock } from '../model/clock.ts'

test('each second has its own budget, and the rest of one expires', async () => {
  const clock = new ManualClock()
  const budget = new Budget(3, clock)
  assert.equal(budget.take(1), 1)
  await clock.advance(1000)
  assert.equal(budget.take(5), 3)
  assert.equal(budget.take(1), 0)
  await clock.advance(10_000)
  assert.equal(budget.take(5), 3)
})
