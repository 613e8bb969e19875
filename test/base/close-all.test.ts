import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closeAll } from '../../src/base/close-all.ts'

test('every step runs in order, even after failures, and the first failure is reported', async () => {
  const ran: string[] = []
  const steps = [
    async () => {
      await undefined
      ran.push('a')
    },
    () => {
      ran.push('b')
      throw new Error('b failed')
    },
    () => {
      ran.push('c')
      return Promise.reject(new Error('c failed'))
    },
    () => ran.push('d'),
  ]
  await assert.rejects(closeAll(steps), /^Error: b failed$/)
  assert.deepEqual(ran, ['a', 'b', 'c', 'd'])
})

test('without a failure, nothing is reported', async () => {
  await closeAll([() => undefined, async () => {}])
})
