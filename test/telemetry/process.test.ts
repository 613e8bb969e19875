import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { ProcessInstruments } from '../../src/telemetry/process.ts'
import { prometheusText } from '../../src/telemetry/sdk.ts'
import { parseExposition, sampleOf } from './exposition.ts'

test('the delay of the event loop is how late timers ran', () => {
  let nowMs = 0
  const due: { at: number; task: () => void }[] = []
  const clock: Clock = {
    nowUs: () => nowMs * 1000,
    monotonicMs: () => nowMs,
    after(ms, task) {
      due.push({ at: nowMs + ms, task })
      return () => due.splice(0)
    },
  }
  const instruments = new ProcessInstruments(clock)
  for (const lateMs of [0, 0, 70]) {
    const { at, task } = due.shift()!
    nowMs = at + lateMs
    task()
  }
  assert.equal(instruments.loopDelay.count, 3)
  assert.equal(instruments.loopDelay.max, 70_000)
  instruments.close()
  assert.equal(due.length, 0, 'close ends the sampling')
})

test('memory, CPU time and pauses have the metric names of common dashboards', async () => {
  const clock = systemClock()
  const instruments = new ProcessInstruments(clock)
  try {
    const garbage = globalThis.gc ?? (() => Array.from({ length: 300_000 }, (_, i) => ({ i })).length)
    const deadline = clock.monotonicMs() + 30_000
    while (instruments.gcPauses.minor.count + instruments.gcPauses.major.count === 0) {
      assert.ok(clock.monotonicMs() < deadline, 'a collection is seen')
      garbage()
      await delay(1)
    }
    const text = prometheusText({ gateway: 'g', version: '0' }, () => instruments.families(), clock)
    const parsed = parseExposition(text())
    assert.ok(sampleOf(parsed, 'process_resident_memory_bytes') > 10_000_000)
    assert.ok(sampleOf(parsed, 'process_cpu_seconds_total') > 0)
    assert.ok(Math.abs(sampleOf(parsed, 'process_start_time_seconds') - Date.now() / 1000) < 600)
    assert.ok(parsed.has('nodejs_gc_duration_seconds'))
    assert.ok(parsed.has('nodejs_eventloop_delay_seconds'))
  } finally {
    instruments.close()
  }
})
