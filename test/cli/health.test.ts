import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readinessLines } from '../../src/cli/health.ts'

test('health says what a gateway lacks, or why it takes no clients, without what would steer a terminal', () => {
  const causes = { reasons: ['it is starting'], degraded: ['a\u001b[31m\nready'] }
  const shown = ['  it is starting', String.raw`  a\u001b[31m\u000aready`]
  assert.deepEqual(readinessLines({ ready: false, ...causes }), ['not ready:', ...shown])
  assert.deepEqual(readinessLines({ ready: true, ...causes, reasons: [] }), ['ready, but:', shown[1]])
  assert.deepEqual(readinessLines({ ready: true, reasons: [], degraded: [] }), ['ready'])
})
