import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../../src/base/clock.ts'
import { families } from '../../src/telemetry/families.ts'
import { Instruments, type PartitionFigures } from '../../src/telemetry/instruments.ts'
import { counter, type MetricFamily, point } from '../../src/telemetry/metric.ts'
import { prometheusText } from '../../src/telemetry/sdk.ts'
import { parseExposition, sampleOf } from './exposition.ts'

const clock: Clock = { nowUs: () => 1.7e15, monotonicMs: () => 0, after: () => () => {} }
const identity = { gateway: 'g-1', version: '0.1.0' }

function scrape(collect: () => readonly MetricFamily[]) {
  return parseExposition(prometheusText(identity, collect, clock)())
}

const figures = (partition: number): PartitionFigures => ({
  partition,
  first: 10,
  head: 1000,
  read: 990,
  unreadAgeMs: 1500,
  blocked: 0,
  blockedAgeMs: 0,
  windowTail: 500,
  tiers: {
    payload: { records: 490, bytes: 4096, ageMs: 2500 },
    index: { records: 900, bytes: 32_768, ageMs: undefined },
  },
  subscriptions: 3,
})

test('a scrape returns the counted values', () => {
  const instruments = new Instruments()
  const stream = instruments.stream('events')
  stream.eventsIn = 12
  stream.rejected.misrouted = 2
  stream.deliveries = 11
  stream.catchUpDeliveries = 4
  instruments.gateway.sessions.sse = 5
  instruments.gateway.refused.overloaded = 9
  const parsed = scrape(() => families(instruments))
  assert.equal(sampleOf(parsed, 'carillon_events_in_total', { stream: 'events' }), 12)
  assert.equal(sampleOf(parsed, 'carillon_records_rejected_total', { stream: 'events', reason: 'misrouted' }), 2)
  assert.equal(sampleOf(parsed, 'carillon_deliveries_total', { mode: 'live' }), 7)
  assert.equal(sampleOf(parsed, 'carillon_deliveries_total', { mode: 'catch_up' }), 4)
  assert.equal(sampleOf(parsed, 'carillon_sessions', { transport: 'sse' }), 5)
  assert.equal(sampleOf(parsed, 'carillon_requests_refused_total', { code: 'overloaded' }), 9)
})

test('latencies are histograms in seconds, and negative ones are counted separately', () => {
  const instruments = new Instruments()
  const { publishToWritten } = instruments.stream('events')
  for (const us of [900, 900, 40_000, 90_000_000, -5]) publishToWritten.record(us)
  const parsed = scrape(() => families(instruments))
  const name = 'carillon_publish_to_written_seconds'
  assert.equal(parsed.get(name)!.type, 'histogram')
  assert.equal(sampleOf(parsed, `${name}_bucket`, { le: '0.001' }), 2)
  assert.equal(sampleOf(parsed, `${name}_bucket`, { le: '0.05' }), 3)
  assert.equal(sampleOf(parsed, `${name}_bucket`, { le: '+Inf' }), 4)
  assert.ok(Math.abs(sampleOf(parsed, `${name}_sum`) - 90.0418) < 1e-9)
  assert.equal(sampleOf(parsed, 'carillon_negative_latencies_total', { leg: 'publishToWritten' }), 1)
})

test('partitions show the offsets, lag and window at the time of the scrape', () => {
  const instruments = new Instruments()
  let partitions = [figures(0)]
  instruments.stream('events').observe = () => ({ state: 'up', partitions })
  const text = prometheusText(identity, () => families(instruments), clock)
  const first = parseExposition(text())
  assert.equal(sampleOf(first, 'carillon_partition_lag', { stream: 'events', partition: '0' }), 10)
  assert.equal(sampleOf(first, 'carillon_window_used_bytes', { partition: '0', tier: 'payload' }), 4096)
  assert.equal(sampleOf(first, 'carillon_window_used_bytes', { partition: '0', tier: 'index' }), 32_768)
  assert.equal(sampleOf(first, 'carillon_window_reach_seconds', { tier: 'payload' }), 2.5)
  assert.equal(first.get('carillon_window_reach_seconds')!.samples.length, 1, 'an empty window has no age')
  assert.equal(sampleOf(first, 'carillon_stream_state', { state: 'up' }), 1)
  assert.equal(sampleOf(first, 'carillon_stream_state', { state: 'away' }), 0)
  partitions = [figures(0), { ...figures(1), read: 1005 }]
  const second = parseExposition(text())
  assert.equal(sampleOf(second, 'carillon_partition_lag', { partition: '1' }), 0, 'never negative')
})

test('each family has a help text, and its name contains the unit', () => {
  const instruments = new Instruments()
  instruments.stream('events')
  for (const [name, family] of scrape(() => families(instruments))) {
    assert.notEqual(family.help, 'description missing', name)
    if (family.type === 'histogram') assert.match(name, /_seconds$/)
    assert.doesNotMatch(name, /_(us|ms|mib|kb)(_|$)/, name)
  }
})

test('labels with quotes, backslashes and line feeds are escaped', () => {
  const hostile = 'a"b\\c\nd{}'
  const parsed = scrape(() => [counter('odd', 'Odd', [point(1, { stream: hostile })])])
  assert.equal(parsed.get('odd_total')!.samples[0]!.labels.stream, hostile)
})

test('the target names the gateway and its version', () => {
  const parsed = scrape(() => families(new Instruments()))
  assert.equal(sampleOf(parsed, 'target_info', { service_instance_id: 'g-1', service_version: '0.1.0' }), 1)
})

test('the number of series does not depend on what clients do', () => {
  const instruments = new Instruments()
  instruments.stream('events').observe = () => ({ state: 'up', partitions: [figures(0)] })
  const count = () => [...scrape(() => families(instruments)).values()].flatMap(({ samples }) => samples).length
  const before = count()
  instruments.gateway.errors.bad_frame += 1000
  instruments.stream('events').publishToWritten.record(123456)
  assert.equal(count(), before)
})
