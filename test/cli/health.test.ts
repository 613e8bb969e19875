import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readinessLines } from '../../src/cli/health.ts'

test('health shows why a gateway is degraded or not ready, with control characters escaped', () => {
  const causes = { reasons: ['it is starting'], degraded: ['a\u001b[31m\nready'] }
  const shown = ['  it is starting', String.raw`  a\u001b[31m\u000aready`]
  assert.deepEqual(readinessLines({ ready: false, ...causes }), ['not ready:', ...shown])
  assert.deepEqual(readinessLines({ ready: true, ...causes, reasons: [] }), ['ready, but:', shown[1]])
  assert.deepEqual(readinessLines({ ready: true, reasons: [], degraded: [] }), ['ready'])
})
