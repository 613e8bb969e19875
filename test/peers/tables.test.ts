import assert from 'node:assert/strict'
import test from 'node:test'
import { docsOf } from './docs.ts'
import type { Figure, PeerRun } from './measure.ts'
import { rowOf, tableOf } from './tables.ts'

const figure = (peer: string, cpuUs: number, more: Partial<Figure> = {}): Figure => ({
  peer,
  part: 'unicast',
  rate: 1000,
  userBytes: 2048,
  kernelBytes: 4096,
  cpuUs,
  brokerUs: 0,
  p50Ms: 1,
  p99Ms: 2,
  maxMs: 3,
  lost: 0,
  repeated: 0,
  limits: [],
  problems: [],
  ...more,
})
const cpu = { of: ({ cpuUs }: Figure) => cpuUs, compared: true }
const run = (id: string, figures: Figure[], failure?: string): PeerRun => ({
  id,
  name: id.toUpperCase(),
  settings: { compression: false },
  figures,
  failure,
})

test('the least of a row is the best, whoever has it', () => {
  assert.deepEqual(rowOf(cpu, [figure('carillon', 12), figure('ws', 9.5)]), ['12', '**9.50**'])
})

test('who lost something does not win', () => {
  const lossy = figure('ws', 5, { lost: 3, problems: ['3 deliveries were lost'] })
  assert.deepEqual(rowOf(cpu, [figure('carillon', 12), lossy]), ['**12**', '5'])
})

test('what is not compared has no best', () => {
  assert.deepEqual(rowOf({ ...cpu, compared: false }, [figure('a', 1), figure('b', 2)]), ['1', '2'])
})

test('a figure that the load generator limits is marked, and is not the best', () => {
  const figures = [figure('a', 1, { limits: ['busy'] }), figure('b', 2), undefined]
  assert.deepEqual(rowOf(cpu, figures), ['1†', '**2**', '–'])
})

test('a peer that left before a rate has a dash there', () => {
  const runs = [run('a', [figure('a', 10), figure('a', 11, { rate: 4000 })]), run('b', [figure('b', 9)])]
  const rows = tableOf('unicast', runs).split('\n')
  assert.equal(rows[0], '|  | A | B |')
  assert.equal(rows[2], '| 1,000/s: CPU, µs a delivery | 10 | **9** |')
  assert.ok(rows.includes('| 4,000/s: CPU, µs a delivery | **11** | – |'))
})

test('the document names settings, what failed, and who was left out', () => {
  const docs = docsOf({
    startedAt: '2026-01-02T03:04:05.000Z',
    host: '2 cores',
    command: 'make peers',
    durationS: 5,
    parts: ['unicast'],
    runs: [run('a', [figure('a', 10, { lost: 1, problems: ['1 deliveries were lost'] })], 'it ended')],
    left: { mercure: 'give its binary' },
  })
  assert.match(docs, /Made by `make peers` on 2026-01-02: 2 cores\./)
  assert.match(docs, /\| A \| compression false \|/)
  assert.match(docs, /- A: it ended\n- A, unicast at 1,000\/s: 1 deliveries were lost/)
  assert.match(docs, /- mercure: give its binary/)
})
