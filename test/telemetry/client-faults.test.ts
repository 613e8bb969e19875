import assert from 'node:assert/strict'
import { test } from 'node:test'
import { logFault } from '../../src/telemetry/client-faults.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { ManualClock } from '../model/clock.ts'

test('a fault that a client can repeat is logged once in ten seconds, with the number left out', async () => {
  const lines: string[] = []
  const clock = new ManualClock()
  const logger = createLogger({ level: 'info', format: 'json', terminal: false }, clock, {
    write: (line) => lines.push(line),
  })
  const repeat = () => {
    for (let i = 0; i < 100; i++)
      logFault(logger, 'a request failed', { path: `/v1/poll?${i}`, error: new Error(`number ${i}`) })
  }
  repeat()
  assert.equal(lines.length, 1)
  await clock.advance(10_000)
  repeat()
  assert.equal(lines.length, 2)
  assert.equal(JSON.parse(lines[1]!).suppressed, 99)
})
