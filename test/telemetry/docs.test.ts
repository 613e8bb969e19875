import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Clock } from '../../src/base/clock.ts'
import { families } from '../../src/telemetry/families.ts'
import { Instruments } from '../../src/telemetry/instruments.ts'
import type { MetricFamily } from '../../src/telemetry/metric.ts'
import { ProcessInstruments } from '../../src/telemetry/process.ts'

const clock: Clock = { nowUs: () => 0, monotonicMs: () => 0, after: () => () => {} }

function allFamilies(): MetricFamily[] {
  const instruments = new Instruments()
  const partition = {
    partition: 0,
    first: 0,
    head: 0,
    read: 0,
    unreadAgeMs: 0,
    blocked: 0,
    blockedAgeMs: 0,
    subscriptions: 0,
  }
  const tier = { records: 0, bytes: 0, ageMs: 0 }
  const window = { windowTail: 0, tiers: { payload: tier, index: tier } }
  instruments.stream('events').observe = () => ({ state: 'up', partitions: [{ ...partition, ...window }] })
  const process = new ProcessInstruments(clock)
  process.close()
  return [...families(instruments), ...process.families()]
}

/** The expected line of the table. */
function line({ name, kind, help, points }: MetricFamily): string {
  const labels = Object.keys(points[0]?.labels ?? {}).map((label) => `\`${label}\``)
  const shown = kind === 'counter' ? `${name}_total` : name
  return `| \`${shown}\` | ${kind} | ${labels.join(', ')} | ${help} |`
}

test('docs/metrics.md lists exactly the metrics, each with its type, labels and help text', () => {
  const text = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8')
  const listed = text.split('\n').filter((row) => row.startsWith('| `'))
  assert.deepEqual(listed, allFamilies().map(line))
})
