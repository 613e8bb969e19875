import assert from 'node:assert/strict'
import test from 'node:test'
import { figuresOfRuns, type HostSize, headlineOf, type Runs } from '../../src/capacity/measured-figures.ts'
import { makePlan, planDefaults } from '../../src/capacity/plan.ts'

const gib = 2 ** 30
const host: HostSize = { cores: 4, memoryBytes: 16 * gib, nicGbps: 25, descriptors: 20_000 }

/** Costs 0.1 cores idle, 10 us an event, 20 us a delivery. */
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

test('the costs of an event, a delivery and idling are recovered from runs with these costs', () => {
  const { cpu, memory, latency, gateway } = figuresOfRuns(runs, host, 'here')
  assert.deepEqual(cpu, { idleCores: 0.1, eventUs: 10, deliveryUs: 20, deliveryUsPerMillionClients: 0, connectUs: 100 })
  assert.deepEqual(memory, { residentBytes: 4000, kernelBytes: 4192 })
  assert.deepEqual(latency, { p99Ms: 40, cpuShare: 0.5 })
  assert.deepEqual(gateway, { cores: 1, descriptors: 20_000, processMiB: 141 })
})

test('connections in a GiB include process and kernel memory, and deliveries are counted by their CPU', () => {
  const figures = figuresOfRuns(runs, host, 'here')
  assert.deepEqual(headlineOf(figures, runs), { connectionsPerGiB: gib / 8192, deliveriesPerCore: 16_000 })
  assert.equal(headlineOf(figures, { ...runs, best: undefined }).deliveriesPerCore, undefined)
})

test('a card that does not report its speed counts as 10 Gbit/s', () => {
  assert.equal(figuresOfRuns(runs, host, 'here').nicGbps, 25)
  assert.equal(figuresOfRuns(runs, { ...host, nicGbps: undefined }, 'here').nicGbps, 10)
})

test('runs that contradict each other are refused', () => {
  const busy = { ...runs, unicast: { ...runs.unicast, cores: 0.05 } }
  assert.throws(() => figuresOfRuns(busy, host, 'here'), {
    code: 'overloaded',
    message: /expected to measure deliveryUs, got -/,
  })
  assert.throws(() => figuresOfRuns({ ...runs, residentBytes: Number.NaN }, host, 'here'), /residentBytes, got NaN/)
})

test('measured figures make a plan', () => {
  const figures = figuresOfRuns(runs, host, 'here')
  const { hosts, notes } = makePlan(
    { clients: 1e6, ratePerClient: 1 / 60, payloadBytes: 512, p99Ms: 50, ...planDefaults },
    figures,
  )
  assert.ok(hosts > 1)
  assert.match(notes.at(-1)!, /^Figures: here\.$/)
})
