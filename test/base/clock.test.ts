import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemTiming } from '../../src/base/clock.ts'

const dayMs = 24 * 3600 * 1000

test('a delay beyond the maximum of setTimeout works, and can be cancelled midway', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const ran: string[] = []
  for (const days of [0, 20, 30, 100]) systemTiming.after(days * dayMs, () => ran.push(`${days} days`))
  const cancel = systemTiming.after(60 * dayMs, () => ran.push('called off'))
  systemTiming.after(Number.POSITIVE_INFINITY, () => ran.push('never'))
  const pass = (days: number) => {
    for (let day = 0; day < days; day++) t.mock.timers.tick(dayMs)
  }
  pass(29)
  assert.deepEqual(ran.splice(0), ['0 days', '20 days'])
  cancel()
  pass(70)
  assert.deepEqual(ran.splice(0), ['30 days'])
  pass(2)
  assert.deepEqual(ran, ['100 days'])
})
