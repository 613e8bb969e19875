import assert from 'node:assert/strict'
import test from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Generator } from '../../src/bench/load/generator.ts'
import { Latencies } from '../../src/bench/load/latencies.ts'
import { monotonicUs } from '../../src/bench/load/payload.ts'
import { loadOf } from '../../src/bench/load/scenario.ts'
import type { Target } from '../../src/bench/load/target.ts'
import { Measurement } from '../../src/bench/measurement.ts'
import { Stop } from '../../src/bench/stop.ts'

const linux = process.platform === 'linux' ? false : 'CPU time is read from /proc'

test('a window begins when a busy server has answered with its metrics, and is as long as it was to be', {
  skip: linux,
}, async () => {
  const windows: { fromUs: number; toUs: number }[] = []
  let answeredUs = 0
  const publisher = { published: 0, late: new Latencies().toCounts(), failures: 0, reasons: [], failed: undefined }
  const generator = {
    clientPids: [],
    publisherPids: [],
    reports: async () => ({ connected: 0, live: 0, arrivals: new Latencies(), broken: 0, gaps: 0, publisher }),
    window: async (fromUs: number, toUs: number) => void windows.push({ fromUs, toUs }),
    endWindow: async () => {},
    start: async () => {},
    stop: async () => ({ counts: new Uint32Array(), unknown: [] }),
    lacking: async () => ({ late: 0, lost: 0, told: 0 }),
    received: async () => ({}),
  } as unknown as Generator
  const target = {
    pids: () => ({ server: [process.pid], broker: [] }),
    problem: () => undefined,
    metrics: async () => {
      if (answeredUs === 0) await sleep(600)
      answeredUs ||= monotonicUs()
      return []
    },
  } as unknown as Target
  const load = loadOf('unicast', { clients: 0, durationS: 0.3, warmupS: 0 })
  const { usage } = await new Measurement(target, generator, load, { stop: new Stop() }).run()
  assert.equal(windows.length, 2)
  assert.ok(windows[1]!.fromUs >= answeredUs)
  assert.ok(usage.seconds >= 0.29, `${usage.seconds} s`)
})
