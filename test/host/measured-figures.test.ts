import assert from 'node:assert/strict'
import test from 'node:test'
import { loadedForMeasuring } from '../../src/cli/measure.ts'
import { loadConfig } from '../../src/config/load.ts'
import { figuresOfRuns, headlineOf, type Runs } from '../../src/host/measured-figures.ts'
import { makePlan, planDefaults } from '../../src/host/plan.ts'
import { factsWith } from './facts.ts'

const gib = 2 ** 30

/** 0.1 cores for nothing, 10 us an event, 20 us a delivery. */
const cores = (events: number, deliveries: number) => 0.1 + events * 10e-6 + deliveries * 20e-6
const run = (events: number, deliveries: number) => ({ events, deliveries, cores: cores(events, deliveries) })
const runs: Runs = {
  low: run(500, 0),
  high: run(4000, 0),
  unicast: run(2000, 2000),
  clients: 10_000,
  residentBytes: 4000,
  kernelBytes: 4192,
  connectUs: 100,
  processMiB: 140.2,
  best: { rate: 8000, p99Ms: 40, cores: 0.5 },
}

test('what an event, a delivery and nothing cost is found again from runs that had just these costs', () => {
  const { cpu, memory, latency, gateway } = figuresOfRuns(runs, factsWith(), 'here')
  assert.deepEqual(cpu, { idleCores: 0.1, eventUs: 10, deliveryUs: 20, deliveryUsPerMillionClients: 0, connectUs: 100 })
  assert.deepEqual(memory, { residentBytes: 4000, kernelBytes: 4192 })
  assert.deepEqual(latency, { p99Ms: 40, cpuShare: 0.5 })
  assert.deepEqual(gateway, { cores: 1, descriptors: 20_000, processMiB: 141 })
})

test('connections in a GiB count both sides of the kernel, deliveries the CPU that they took', () => {
  const figures = figuresOfRuns(runs, factsWith(), 'here')
  assert.deepEqual(headlineOf(figures, runs), { connectionsPerGiB: gib / 8192, deliveriesPerCore: 16_000 })
  assert.equal(headlineOf(figures, { ...runs, best: undefined }).deliveriesPerCore, undefined)
})

test('the host is what its cgroup leaves of it, and its fastest card', () => {
  const cgroup = { ...factsWith().cgroup, memoryBytes: 2 * gib, cpus: 2.5 }
  const card = { name: 'eth0', receiveQueues: 1, spread: false }
  const { cores, memoryGiB, nicGbps } = figuresOfRuns(
    runs,
    factsWith({ cgroup, cards: [{ ...card, gbps: 25 }, card] }),
    'here',
  )
  assert.deepEqual([cores, memoryGiB, nicGbps], [2, 2, 25])
  assert.equal(figuresOfRuns(runs, factsWith(), 'here').nicGbps, 10)
})

test('runs that contradict each other are no figures', () => {
  const busy = { ...runs, unicast: { ...runs.unicast, cores: 0.05 } }
  assert.throws(() => figuresOfRuns(busy, factsWith(), 'here'), {
    code: 'overloaded',
    message: /expected to measure deliveryUs, got -/,
  })
  assert.throws(
    () => figuresOfRuns({ ...runs, residentBytes: Number.NaN }, factsWith(), 'here'),
    /residentBytes, got NaN/,
  )
})

test('measured figures make a plan', () => {
  const figures = figuresOfRuns(runs, factsWith(), 'here')
  const { hosts, notes } = makePlan(
    { clients: 1e6, ratePerClient: 1 / 60, payloadBytes: 512, p99Ms: 50, ...planDefaults },
    figures,
  )
  assert.ok(hosts > 1)
  assert.match(notes.at(-1)!, /^Figures: here\.$/)
})

test('only a broker that the command line names is loaded, and never the streams of a configuration', () => {
  const streams = { orders: { topic: 'production', partitions: 3 } }
  const env = {
    CARILLON_BROKER: 'kafka://production:9092',
    CARILLON_STREAMS: JSON.stringify(streams),
    CARILLON_ROUTES: '[{"subjects": ">", "stream": "orders", "by": {"hash": "murmur2"}}]',
  }
  const left = loadedForMeasuring(loadConfig({ flags: {}, env }))
  assert.equal(left.config.broker, 'embedded:.carillon/dev')
  assert.equal(left.origins.size, 0)
  const named = loadedForMeasuring(loadConfig({ flags: { broker: 'kafka://lab:9092' }, env }))
  assert.equal(named.config.broker, 'kafka://lab:9092')
  assert.deepEqual(Object.keys(named.config.streams), ['events'])
  assert.deepEqual([...named.origins.keys()], ['broker'])
})
