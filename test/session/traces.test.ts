import assert from 'node:assert/strict'
import test from 'node:test'
import { Spans, spanId, traceId, traceparent } from '../telemetry/spans.ts'
import { settled, TestGateway } from './harness.ts'

const unsampled = `00-${traceId}-${spanId}-00`

async function tracedGateway() {
  const gateway = await TestGateway.start()
  const spans = new Spans()
  gateway.instruments.stream('events').traces = spans.stream({}, gateway.clock)
  const publish = (text: string, header?: string) => {
    const publishedAtUs = gateway.clock.nowUs()
    return gateway.publish('a', text, { publishedAtUs, ...(header === undefined ? {} : { traceparent: header }) })
  }
  return { gateway, spans, publish }
}

const transportsOf = (spans: Spans) =>
  spans.named('deliver carillon').map((span) => span.attributes['carillon.transport'])

test('a sampled event is traced to each of its live deliveries', async () => {
  const { gateway, spans, publish } = await tracedGateway()
  gateway.connect().subscribe(1, 'a')
  gateway.connect('sse').session.start(['a'], [])
  await settled()
  publish('one', traceparent)
  assert.deepEqual(transportsOf(spans).sort(), ['sse', 'websocket'])
  const [process] = spans.named('process carillon')
  assert.equal(process!.attributes['carillon.matched'], 2)
  assert.equal(process!.attributes['messaging.message.id'], 'one')
})

test('an event without a sampled traceparent leaves no span, even after a sampled one', async () => {
  const { gateway, spans, publish } = await tracedGateway()
  gateway.connect().subscribe(1, 'a')
  publish('one')
  publish('two', unsampled)
  publish('three', 'nonsense')
  assert.equal(spans.all.length, 0)
  publish('four', traceparent)
  const { length } = spans.all
  assert.equal(gateway.stream.live.trace, undefined)
  publish('five')
  assert.equal(spans.all.length, length)
})

test('a sampled event that nobody wanted has a process span and no delivery', async () => {
  const { spans, publish } = await tracedGateway()
  publish('one', traceparent)
  assert.deepEqual(
    spans.all.map(({ name }) => name),
    ['process carillon'],
  )
})

test('an event that a full socket refused is traced when the socket accepts it', async () => {
  const { gateway, spans, publish } = await tracedGateway()
  const client = gateway.connect()
  client.subscribe(1, 'a')
  client.room = 1
  publish('one', traceparent)
  publish('two', traceparent)
  assert.equal(spans.named('deliver carillon').length, 1)
  await gateway.clock.advance(3000)
  client.drain()
  await settled()
  assert.deepEqual(client.texts, ['one', 'two'])
  const late = spans.named('deliver carillon')[1]!
  assert.equal(late.attributes['carillon.catch_up'], true)
  assert.equal(late.attributes['carillon.publish_to_written_us'], 3_000_000)
  assert.equal(late.spanContext().traceId, traceId)
})

test('events read back from the broker are traced too', async () => {
  const { gateway, spans, publish } = await tracedGateway()
  publish('old', traceparent)
  for (let i = 0; i < 200; i++) publish(`filler ${i}`)
  const before = spans.all.length
  gateway.connect().subscribe(1, 'a', 'earliest')
  for (let i = 0; i < 50; i++) await settled()
  assert.ok(gateway.broker.ranges > 0)
  assert.deepEqual(
    spans.all.slice(before).map(({ attributes }) => attributes['messaging.message.id']),
    ['old'],
  )
})

test('the time from read to write is recorded for each live delivery', async () => {
  const { gateway, publish } = await tracedGateway()
  gateway.connect().subscribe(1, 'a')
  gateway.connect().subscribe(1, 'a')
  publish('one')
  const { readToWritten, brokerToRead } = gateway.instruments.stream('events')
  assert.equal(readToWritten.count, 2)
  assert.equal(brokerToRead.count, 1)
})
