import assert from 'node:assert/strict'
import { test } from 'node:test'
import { QuotaPauses } from '../../src/gateway/quotas.ts'
import { GatewayInstruments } from '../../src/telemetry/instruments.ts'
import type { Logger } from '../../src/telemetry/logger.ts'
import { ManualClock } from '../model/clock.ts'

test('pauses of a broker are counted by use, and long ones are reported while they last', async () => {
  const clock = new ManualClock()
  const instruments = new GatewayInstruments()
  const logged: string[] = []
  const logger = { every: (_limit: unknown, _level: unknown, message: string) => void logged.push(message) }
  const pauses = new QuotaPauses(clock, logger as unknown as Logger, instruments)
  const throttle = { use: 'readback', client: 'carillon-readback', broker: 'b:9092', ms: 400 } as const
  pauses.began(throttle)
  assert.deepEqual([pauses.now(), logged], [[], []])
  pauses.began({ ...throttle, ms: 5000 })
  pauses.began({ ...throttle, ms: 1000 })
  await clock.advance(2000)
  const report = (s: number) =>
    `broker b:9092 holds client id "carillon-readback" back for ${s} s: its quota is used up`
  assert.deepEqual([pauses.now(), logged], [[report(3)], [report(5), report(1)]])
  await clock.advance(3000)
  assert.deepEqual(pauses.now(), [])
  assert.deepEqual({ ...instruments.brokerPausedMs }, { live: 0, readback: 6400, publish: 0, questions: 0 })
})
