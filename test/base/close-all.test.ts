import assert from 'node:assert/strict'
import { test } from 'node:test'
import { closeAll } from '../../src/base/close-all.ts'

test('every step runs, in order, whatever those before it did, and the first failure is told', async () => {
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

test('nothing is told where nothing failed', async () => {
  await closeAll([() => undefined, async () => {}])
})
