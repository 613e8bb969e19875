import assert from 'node:assert/strict'
import test from 'node:test'
import type { Target } from '../../src/bench/load/target.ts'
import type { Measured } from '../../src/bench/report/measured.ts'
import type { Report } from '../../src/bench/report/report.ts'
import type { Entry } from './catalog.ts'
import { type PeerBench, PeerMeasurement, type PeerRun } from './measure.ts'
import type { PeerSite } from './site.ts'

const good = {
  promises: { lost: 0, repeated: 0 },
  latency: { p50Ms: 1, p99Ms: 2, maxMs: 3 },
  memory: { userBytesPerConnection: 1, kernelBytesPerConnection: 1 },
  cpu: { broker: { userS: 0, systemS: 0 } },
  generator: { limits: [] },
  deliveriesPerSecond: 1,
  measuredSeconds: 1,
  cpuUsPerDelivery: 10,
  problems: [],
} as unknown as Report

const target = { name: 'a server 1.0', settings: {} } as Target
const entry: Entry = { id: 'a', lacks: undefined, make: async () => target }

/** `meanwhile` is called while a rate is measured. */
async function run(meanwhile: (measured: number, measurement: PeerMeasurement) => void, close = async () => {}) {
  let count = 0
  const bench: PeerBench = {
    open: async () => {},
    measure: async () => {
      meanwhile(count++, measurement)
      return {} as Measured
    },
    report: () => good,
    close,
  }
  const options = { parts: ['unicast', 'broadcast'], durationS: 2, progress: () => {} } as const
  const measurement: PeerMeasurement = new PeerMeasurement({} as PeerSite, options, () => bench)
  return await measurement.run(entry)
}

const measuredRates = ({ figures }: PeerRun) => figures.map(({ part, rate }) => `${part} ${rate}`)

test('rates that were measured before the interruption are kept, and the one that was cut short is not', async () => {
  const ran = await run((measured, measurement) => {
    if (measured === 2) measurement.interrupt()
  })
  assert.deepEqual(measuredRates(ran), ['unicast 1000', 'unicast 4000'])
  assert.equal(ran.failure, undefined)
})

test('rates are kept when the interruption ends the server as well', async () => {
  const ran = await run((measured, measurement) => {
    if (measured < 1) return
    measurement.interrupt()
    throw new Error('the server ended')
  })
  assert.deepEqual(measuredRates(ran), ['unicast 1000'])
  assert.equal(ran.failure, undefined)
})

test('rates are kept when a later one fails, and the other parts are measured all the same', async () => {
  const ran = await run((measured) => {
    if (measured === 1) throw new Error('no answer')
  })
  assert.deepEqual(measuredRates(ran).slice(0, 2), ['unicast 1000', 'broadcast 1'])
  assert.equal(ran.failure, 'unicast: no answer')
})

test('rates are kept when a server does not end as it should', async () => {
  const ran = await run(
    () => {},
    () => Promise.reject(new Error('still there')),
  )
  assert.equal(measuredRates(ran).length, 9)
  assert.match(ran.failure ?? '', /still there/)
})

test('an interruption while a server is made measures nothing more, and makes no other', async () => {
  const options = { parts: ['idle', 'unicast'], durationS: 2, progress: () => {} } as const
  const done: string[] = []
  const measurement = new PeerMeasurement({} as PeerSite, options, () => {
    done.push('measured')
    throw new Error('it is measured')
  })
  const make = async () => {
    done.push('made')
    measurement.interrupt()
    return target
  }
  const ran = await measurement.run({ ...entry, make })
  assert.deepEqual([ran.figures, ran.failure, done], [[], undefined, ['made']])
})
