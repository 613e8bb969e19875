import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test, { type TestContext } from 'node:test'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { traceDefaults } from '../../src/telemetry/options.ts'
import type { PublishSpan } from '../../src/telemetry/publish-traces.ts'
import { Tracing } from '../../src/telemetry/tracing.ts'
import { ManualClock } from '../model/clock.ts'
import { until } from '../support/until.ts'
import { traceId, traceparent } from './spans.ts'

const patienceMs = 30_000

/** A collector that takes batches as JSON; it may refuse them, or never answer. */
class Collector {
  mode: 'takes' | 'refuses' | 'hangs' = 'takes'
  // biome-ignore lint/suspicious/noExplicitAny: OTLP's JSON
  readonly spans: any[] = []
  readonly #server = createServer((request, response) => {
    if (this.mode === 'hangs') return
    let body = ''
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text
    })
    request.on('end', () => {
      const { resourceSpans } = JSON.parse(body)
      if (this.mode === 'takes') this.spans.push(...resourceSpans[0].scopeSpans[0].spans)
      response.writeHead(this.mode === 'takes' ? 200 : 400).end('{}')
    })
  })

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  stop(): void {
    this.#server.closeAllConnections()
    this.#server.close()
  }
}

async function openTracing(t: TestContext, variables: Record<string, string> = {}, clock: Clock = systemClock()) {
  const collector = new Collector()
  const endpoint = await collector.start()
  const all = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint, OTEL_BSP_SCHEDULE_DELAY: '20', ...variables }
  for (const [name, value] of Object.entries(all)) process.env[name] = value
  const counts = { exported: 0, failed: 0, dropped: 0, over_budget: 0 }
  const logged: string[] = []
  const tracing = await Tracing.open({
    to: { protocol: 'http/json', endpoint },
    traces: { ...traceDefaults, eventsPerSecond: 10_000 },
    service: 'carillon',
    instance: 'g1',
    version: '0.0.0',
    broker: 'embedded',
    topicOf: (stream) => `topic-of-${stream}`,
    counts,
    clock,
    logger: { every: ({ key }, level, message) => logged.push(`${key} ${level} ${message}`) },
  })
  for (const name of Object.keys(all)) delete process.env[name]
  t.after(() => collector.stop())
  return { collector, endpoint, tracing, counts, logged }
}

const end = (span: PublishSpan | undefined, offset = 0) => {
  span!.acknowledged([{ stream: 'events', partition: 1, offset }])
}

test('a publish continues a sampled context, and its span is exported and counted', async (t) => {
  const { collector, tracing, counts } = await openTracing(t)
  const span = tracing.publishes.continue(traceparent)!
  assert.notEqual(span.traceparent, traceparent)
  assert.equal(span.traceId, traceId)
  end(span, 42)
  await until('the span is exported', patienceMs, () => counts.exported === 1)
  const [sent] = collector.spans
  assert.equal(sent.name, 'send topic-of-events')
  assert.equal(sent.traceId, traceId)
  assert.equal(sent.parentSpanId, traceparent.slice(36, 52))
  assert.equal(span.traceparent, `00-${traceId}-${sent.spanId}-01`)
  const offset = sent.attributes.find(({ key }: { key: string }) => key === 'carillon.offset')
  assert.deepEqual(offset.value, { intValue: 42 })
  await tracing.close()
})

test('a failed publish has an error status', async (t) => {
  const { collector, tracing } = await openTracing(t)
  tracing.publishes.continue(traceparent)!.failed('broker_unavailable', 'no broker')
  await tracing.close()
  assert.deepEqual(collector.spans[0].status, { code: 2, message: 'no broker' })
})

test('without a sampled context there is no publish span', async (t) => {
  const { tracing } = await openTracing(t)
  assert.equal(tracing.publishes.continue(undefined), undefined)
  assert.equal(tracing.publishes.continue('nonsense'), undefined)
  assert.equal(tracing.publishes.continue(`${traceparent.slice(0, -1)}0`), undefined)
  await tracing.close()
})

test('closing exports waiting spans', async (t) => {
  const { collector, tracing, counts } = await openTracing(t, { OTEL_BSP_SCHEDULE_DELAY: '60000' })
  for (let i = 0; i < 5; i++) end(tracing.publishes.begin())
  await tracing.close()
  assert.equal(collector.spans.length, 5)
  assert.equal(counts.exported, 5)
})

test('a collector that refuses costs a count and a log line, and later spans are exported again', async (t) => {
  const { collector, endpoint, tracing, counts, logged } = await openTracing(t)
  collector.mode = 'refuses'
  end(tracing.publishes.begin())
  await until('the span has failed', patienceMs, () => counts.failed === 1)
  assert.match(logged[0]!, new RegExp(`^traces warn 1 span could not be exported to ${endpoint}: `))
  collector.mode = 'takes'
  end(tracing.publishes.begin())
  await until('the next one is exported', patienceMs, () => counts.exported === 1)
  await tracing.close()
})

test('spans beyond the queue are dropped and counted, and those being exported count towards its limit', async (t) => {
  const bounds = { OTEL_BSP_MAX_QUEUE_SIZE: '8', OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '4' }
  const { collector, tracing, counts } = await openTracing(t, { ...bounds, OTEL_EXPORTER_OTLP_TIMEOUT: '300' })
  collector.mode = 'hangs'
  for (let i = 0; i < 20; i++) end(tracing.publishes.begin())
  assert.equal(counts.dropped, 12)
  await until('the first batches have failed', patienceMs, () => counts.failed === 8)
  collector.mode = 'takes'
  end(tracing.publishes.begin())
  await until('there is room again', patienceMs, () => counts.exported === 1)
  assert.equal(counts.dropped, 12)
  await tracing.close()
})

test('closing waits at most two seconds for a collector that does not answer', async (t) => {
  const clock = new ManualClock()
  const { collector, tracing } = await openTracing(t, {}, clock)
  collector.mode = 'hangs'
  end(tracing.publishes.begin())
  let closed = false
  const closing = tracing.close().then(() => {
    closed = true
  })
  await clock.advance(1999)
  assert.equal(closed, false)
  await clock.advance(1)
  assert.equal(closed, true)
  await closing
})
