import assert from 'node:assert/strict'
import test from 'node:test'
import { ManualClock } from '../model/clock.ts'
import { endUs, Spans, spanId, startUs, traceId, traceparent } from './spans.ts'

const publishedAtUs = 1_700_000_000_000_123
const brokerMs = 1_700_000_000_002
const readAtUs = publishedAtUs + 5000
const bounds = { buffer: Buffer.from(`xx${traceparent}`), start: 2, end: 57, timeMs: brokerMs }
const event = { eventId: 'e1', subject: 'alarm.zone7.door', eventStart: 0, eventEnd: 80, publishedAtUs }
const record = { ...event, partition: 3, offset: 42 }

test("an event's process span is a child of the publisher's, links to it, and has its location and latencies", () => {
  const spans = new Spans()
  const stream = spans.stream()
  const trace = stream.begin(bounds, readAtUs)!
  trace.wrote(readAtUs + 200, 7, 'websocket')
  stream.end(trace, record, 2)
  const [process] = spans.named('process carillon')
  assert.equal(process!.spanContext().traceId, traceId)
  assert.equal(process!.parentSpanContext!.spanId, spanId)
  assert.equal(process!.links[0]!.context.spanId, spanId)
  assert.equal(startUs(process!), readAtUs)
  assert.equal(endUs(process!), readAtUs + 200)
  assert.deepEqual(process!.attributes, {
    'messaging.system': 'kafka',
    'messaging.system.name': 'kafka',
    'messaging.operation.name': 'process',
    'messaging.operation.type': 'process',
    'messaging.destination.name': 'carillon',
    'messaging.client.id': 'g1',
    'messaging.destination.partition.id': '3',
    'messaging.kafka.offset': 42,
    'kafka.offset': 42,
    'carillon.offset': 42,
    'messaging.message.id': 'e1',
    'messaging.message.envelope.size': 80,
    'carillon.subject': 'alarm.zone7.door',
    'carillon.matched': 2,
    'carillon.written': 1,
    'carillon.publish_to_broker_us': brokerMs * 1000 - publishedAtUs,
    'carillon.broker_to_read_us': readAtUs - brokerMs * 1000,
    'carillon.read_to_written_us': 200,
  })
  const [delivery] = spans.named('deliver carillon')
  assert.equal(delivery!.parentSpanContext!.spanId, process!.spanContext().spanId)
  assert.equal(startUs(delivery!), readAtUs)
  assert.equal(endUs(delivery!), readAtUs + 200)
  assert.equal(delivery!.attributes['carillon.session'], 7)
  assert.equal(delivery!.attributes['carillon.transport'], 'websocket')
})

/** The sessions with a delivery span after this many deliveries. */
function sessionsOf(deliveries: number, options: Parameters<Spans['stream']>[0]): number[] {
  const spans = new Spans()
  const stream = spans.stream(options)
  const trace = stream.begin(bounds, readAtUs)!
  for (let i = 1; i <= deliveries; i++) trace.wrote(readAtUs + i, i, 'sse')
  stream.end(trace, record, deliveries)
  assert.equal(spans.named('process carillon')[0]!.attributes['carillon.written'], deliveries)
  assert.equal(endUs(spans.named('process carillon')[0]!), readAtUs + deliveries)
  return spans.named('deliver carillon').map((span) => span.attributes['carillon.session'] as number)
}

test('of many deliveries the latest and the first have spans, and all are counted', () => {
  assert.deepEqual(sessionsOf(0, { deliveriesPerEvent: 4 }), [])
  assert.deepEqual(sessionsOf(3, { deliveriesPerEvent: 4 }), [3, 2, 1])
  assert.deepEqual(sessionsOf(4, { deliveriesPerEvent: 4 }), [4, 3, 2, 1])
  assert.deepEqual(sessionsOf(1000, { deliveriesPerEvent: 4 }), [1000, 999, 998, 1])
  assert.deepEqual(sessionsOf(1000, { deliveriesPerEvent: 1 }), [1])
  assert.deepEqual(sessionsOf(1000, { deliveriesPerEvent: 0 }), [])
})

test('if the budget of a second is too small, the slowest deliveries get it', () => {
  assert.deepEqual(sessionsOf(1000, { deliveriesPerEvent: 4, deliveriesPerSecond: 2 }), [1000, 999])
})

test('events beyond the budget of a second make no spans and are counted; the next second has its own budget', async () => {
  const clock = new ManualClock()
  const spans = new Spans()
  const stream = spans.stream({ eventsPerSecond: 2 }, clock)
  const publish = () => {
    const trace = stream.begin(bounds, readAtUs)
    if (trace !== undefined) stream.end(trace, record, 0)
  }
  for (let i = 0; i < 5; i++) publish()
  assert.equal(spans.all.length, 2)
  assert.equal(spans.losses.over_budget, 3)
  await clock.advance(1000)
  publish()
  assert.equal(spans.all.length, 3)
})

test('a traceparent that only looks sampled makes no span', () => {
  const spans = new Spans()
  const buffer = Buffer.from(`00-${'0'.repeat(32)}-${spanId}-01`)
  assert.equal(spans.stream().begin({ buffer, start: 0, end: buffer.length, timeMs: 0 }, readAtUs), undefined)
})

test("a delivery during a catch-up is part of the trace, from the broker's time on", () => {
  const spans = new Spans()
  const writtenAtUs = publishedAtUs + 2_000_000
  spans.stream().missed(record, bounds, writtenAtUs, { session: 9, transport: 'poll' })
  const [delivery] = spans.named('deliver carillon')
  assert.equal(delivery!.spanContext().traceId, traceId)
  assert.equal(delivery!.parentSpanContext!.spanId, spanId)
  assert.equal(startUs(delivery!), brokerMs * 1000)
  assert.equal(endUs(delivery!), writtenAtUs)
  assert.equal(delivery!.attributes['carillon.catch_up'], true)
  assert.equal(delivery!.attributes['messaging.message.id'], 'e1')
})

test('a replay is a separate trace that links to the event', () => {
  const spans = new Spans()
  const writtenAtUs = publishedAtUs + 60_000_000
  spans.stream({ replayAfterMs: 60_000 }).missed(record, bounds, writtenAtUs, { session: 9, transport: 'poll' })
  const [delivery] = spans.named('deliver carillon')
  assert.notEqual(delivery!.spanContext().traceId, traceId)
  assert.equal(delivery!.parentSpanContext, undefined)
  assert.equal(delivery!.links[0]!.context.traceId, traceId)
  assert.equal(startUs(delivery!), writtenAtUs)
  assert.equal(delivery!.attributes['carillon.publish_to_written_us'], 60_000_000)
})
