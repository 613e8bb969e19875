import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TailHealth } from '../../src/source/tail-health.ts'

function healthOf() {
  const told: string[] = []
  return { told, health: new TailHealth(1000, (state, detail) => told.push(`${state} ${detail}`.trim())) }
}

test('warnings are reported while reads work, one at a time, until they are cleared', () => {
  const { told, health } = healthOf()
  health.expect(0, 0)
  health.warn('subjects', 'a foreign subject')
  assert.deepEqual(told, [])
  health.read(0)
  health.warn('subjects', 'a foreign subject')
  health.warn('flow', 'no permission')
  health.warn('subjects', '')
  health.warn('flow', '')
  assert.deepEqual(told, ['up a foreign subject', 'up no permission', 'up'])
})

test('a partition that cannot be read is reported before warnings', () => {
  const { told, health } = healthOf()
  health.failed(0, 0, 'refused')
  health.failed(0, 1000, 'refused')
  health.warn('subjects', 'a foreign subject')
  health.read(0)
  assert.deepEqual(told, ['away refused', 'up a foreign subject'])
})
