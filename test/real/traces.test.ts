import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import { WebSocket } from 'ws'
import { Jaeger, jaegerAvailable } from '../brokers/jaeger.ts'
import { kafkaAvailable } from '../brokers/kafka.ts'
import { GatewayProcess, patienceMs } from '../support/gateway-process.ts'
import { ask, postJson } from '../support/http.ts'
import { until } from '../support/until.ts'
import { closeAll, connectAll, haveEvents } from './support/clients.ts'
import { type SeenSpan, spansOf, traceWith } from './support/jaeger-api.ts'
import { KafkaSite } from './support/kafka-site.ts'
import { Run } from './support/run.ts'

/** Sampled events as traces in a real Jaeger: publisher, gateway, deliveries. */

const skip = jaegerAvailable() ?? false
const skipKafka = skip || (kafkaAvailable() ?? false)

const ports = { otlpHttp: 19961, otlpGrpc: 19962, query: 19963, queryGrpc: 19964, health: 19965 }
const folder = mkdtempSync(join(tmpdir(), 'carillon-traces-'))
const jaeger = new Jaeger({ ports, dir: join(folder, 'jaeger') })
/** A publisher's command waits for its export; a gateway has its spans out soon. */
const soon = { OTEL_BSP_SCHEDULE_DELAY: '50' }
const http = { ...soon, OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${ports.otlpHttp}` }
const grpc = {
  ...soon,
  OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${ports.otlpGrpc}`,
  OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
  OTEL_SERVICE_NAME: 'bell',
}

/** A gateway on an embedded log of its own. */
const gatewayAt = (port: number, env: Record<string, string>) =>
  new GatewayProcess({ port, dir: folder, config: { broker: `embedded:${join(folder, `log-${port}`)}` }, env })

async function running(t: TestContext | undefined, gateway: GatewayProcess): Promise<GatewayProcess> {
  gateway.start()
  t?.after(() => gateway.end())
  await gateway.becomesReady()
  return gateway
}

/** Runs `carillon publish --trace` to its end, and returns what it printed. */
async function publishTraced(env: Record<string, string>, ...args: string[]) {
  const run = new Run(['publish', '--trace', '--json', ...args], folder, env)
  const code = await run.ended
  assert.equal(code, 0, run.stderr)
  return JSON.parse(run.stdout) as { traceId: string; partition: number; offset: number }
}

const newTrace = (flags: string) => {
  const traceId = randomBytes(16).toString('hex')
  const spanId = randomBytes(8).toString('hex')
  return { traceId, spanId, traceparent: `00-${traceId}-${spanId}-${flags}` }
}

const named = (spans: readonly SeenSpan[], name: string) => spans.filter((span) => span.name === name)
const metric = async (gateway: GatewayProcess, outcome: string) =>
  (await gateway.metric(`carillon_trace_spans_total{outcome="${outcome}"}`)) ?? 0

let gateway: GatewayProcess

before(async () => {
  if (skip) return
  await jaeger.start()
  gateway = await running(undefined, gatewayAt(19974, http))
})

after(async () => {
  await gateway?.end()
  await jaeger.end()
  rmSync(folder, { recursive: true, force: true })
})

test('an event is one trace, from the command that published it to each transport', { skip }, async (t) => {
  const clients = await connectAll(gateway.url, ['one.>'])
  t.after(() => closeAll(clients))
  const { traceId, partition, offset } = await publishTraced(http, '--gateway', `http://${gateway.url}`, 'one.a', 'x')
  await haveEvents(clients, 1)
  const spans = await traceWith(jaeger.url, traceId, (all) => all.length >= 7)
  assert.equal(spans.length, 7)
  const [request] = named(spans, 'POST /v1/publish')
  const [send] = named(spans, 'send carillon')
  const [process] = named(spans, 'process carillon')
  assert.deepEqual([request!.parent, send!.parent, process!.parent], ['', request!.id, send!.id])
  assert.deepEqual([request!.service, send!.service, process!.service], ['carillon-publish', 'carillon', 'carillon'])
  assert.deepEqual([request!.kind, send!.kind, process!.kind], ['client', 'producer', 'consumer'])
  assert.deepEqual(process!.links, [send!.id])
  assert.equal(process!.attributes['messaging.system'], 'carillon')
  assert.equal(process!.attributes['messaging.destination.partition.id'], String(partition))
  assert.equal(process!.attributes['carillon.offset'], offset)
  assert.equal(process!.attributes['carillon.subject'], 'one.a')
  assert.equal(process!.attributes['carillon.matched'], 4)
  assert.equal(process!.attributes['carillon.written'], 4)
  const deliveries = named(spans, 'deliver carillon')
  assert.deepEqual([...new Set(deliveries.map(({ parent }) => parent))], [process!.id])
  const transports = deliveries.map(({ attributes }) => attributes['carillon.transport'])
  assert.deepEqual(transports.sort(), ['poll', 'sse', 'websocket', 'websocket'])
  for (const span of spans) assert.ok(span.startUs <= span.endUs, span.name)
  assert.ok(request!.startUs <= send!.startUs && send!.startUs <= process!.startUs)
  assert.ok(deliveries.every(({ endUs }) => endUs <= process!.endUs))
})

test("an HTTP publisher's own trace goes on; one that is not sampled leaves nothing", { skip }, async () => {
  const caller = newTrace('01')
  const other = newTrace('00')
  const headers = (traceparent: string) => ({ traceparent })
  await postJson(gateway.port, '/v1/publish', { subject: 'two.a' }, headers(other.traceparent))
  await postJson(gateway.port, '/v1/publish', { subject: 'two.b' }, headers(caller.traceparent))
  const spans = await traceWith(jaeger.url, caller.traceId, (all) => all.length >= 2)
  const [send] = named(spans, 'send carillon')
  assert.equal(send!.parent, caller.spanId)
  assert.equal(named(spans, 'process carillon')[0]!.parent, send!.id)
  assert.deepEqual(await spansOf(jaeger.url, other.traceId), [])
})

test('a traceparent that is none is ignored: the event is published, without a trace', { skip }, async () => {
  const { status } = await postJson(gateway.port, '/v1/publish', { subject: 'two.c' }, { traceparent: '00-zz-01' })
  assert.equal(status, 200)
})

test('of a thousand deliveries all are counted and ten have spans', { skip }, async (t) => {
  const sockets = await Promise.all(Array.from({ length: 1000 }, () => subscribed('three.a')))
  t.after(() => {
    for (const socket of sockets) socket.terminate()
  })
  const caller = newTrace('01')
  await postJson(gateway.port, '/v1/publish', { subject: 'three.a' }, { traceparent: caller.traceparent })
  const spans = await traceWith(jaeger.url, caller.traceId, (all) => all.length >= 12)
  assert.equal(named(spans, 'process carillon')[0]!.attributes['carillon.written'], 1000)
  const deliveries = named(spans, 'deliver carillon')
  assert.equal(deliveries.length, 10)
  // The slowest are among them: the event was done with the last.
  const lastUs = Math.max(...deliveries.map(({ endUs }) => endUs))
  assert.equal(lastUs, named(spans, 'process carillon')[0]!.endUs)
})

function subscribed(subject: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`ws://${gateway.url}/v1/ws`, 'carillon.v1.json')
    socket.on('open', () => socket.send(JSON.stringify({ subscribe: { ref: 1, subject } })))
    socket.on('message', (message: Buffer) => {
      if (message.includes('"live"')) resolve(socket)
    })
    socket.on('error', reject)
  })
}

test('a client that comes back gets its late delivery into the same trace', { skip }, async () => {
  const { text } = await ask(gateway.port, '/v1/poll?subject=four.a')
  const caller = newTrace('01')
  await postJson(gateway.port, '/v1/publish', { subject: 'four.a' }, { traceparent: caller.traceparent })
  const { after: token } = JSON.parse(text)
  await ask(gateway.port, `/v1/poll?subject=four.a&wait=0&after=${token}`)
  const spans = await traceWith(jaeger.url, caller.traceId, (all) => all.length >= 3)
  const [late] = named(spans, 'deliver carillon')
  assert.equal(late!.attributes['carillon.catch_up'], true)
  assert.equal(late!.attributes['carillon.transport'], 'poll')
  assert.equal(late!.parent, named(spans, 'send carillon')[0]!.id)
})

test('spans go out by gRPC and as JSON too, under the name that OTEL_SERVICE_NAME gives', { skip }, async (t) => {
  const other = await running(t, gatewayAt(19976, grpc))
  const json = { ...http, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }
  const { traceId } = await publishTraced(json, '--gateway', `http://${other.url}`, 'five.a', 'x')
  const spans = await traceWith(jaeger.url, traceId, (all) => all.length >= 3)
  assert.deepEqual(
    spans.map(({ service, name }) => [service, name]),
    [
      ['carillon-publish', 'POST /v1/publish'],
      ['bell', 'send carillon'],
      ['bell', 'process carillon'],
    ],
  )
})

/** Says what of the trace SDK a process loads. */
const spy = `data:text/javascript,${encodeURIComponent(`import { registerHooks } from 'node:module'
registerHooks({ load(url, context, next) {
  if (/sdk-trace|exporter-trace/.test(url)) process.stderr.write('LOADED ' + url + '\\n')
  return next(url, context)
} })`)}`

test('nothing of the trace SDK is loaded until the variables ask for traces', { skip }, async (t) => {
  const env = { NODE_OPTIONS: `--import=${spy}` }
  const silent = await running(t, gatewayAt(19976, env))
  assert.doesNotMatch(silent.output, /LOADED/)
  await silent.end()
  const disabled = await running(t, gatewayAt(19976, { ...env, ...http, OTEL_TRACES_EXPORTER: 'none' }))
  assert.doesNotMatch(disabled.output, /LOADED/)
  await disabled.end()
  const traced = await running(t, gatewayAt(19976, { ...env, ...http }))
  assert.match(traced.output, /LOADED/)
})

test('a collector that is away costs counts and one line; with its return there are traces again', {
  skip,
}, async (t) => {
  const lone = await running(t, gatewayAt(19976, { ...http, OTEL_EXPORTER_OTLP_TIMEOUT: '300' }))
  await jaeger.end()
  for (let i = 0; i < 3; i++) {
    const { traceparent } = newTrace('01')
    const failed = await metric(lone, 'failed')
    const { status } = await postJson(lone.port, '/v1/publish', { subject: 'six.a' }, { traceparent })
    assert.equal(status, 200)
    await until('the spans have failed', patienceMs, async () => (await metric(lone, 'failed')) > failed)
  }
  assert.equal(lone.output.match(/could not be exported/g)?.length, 1)
  await jaeger.start()
  const caller = newTrace('01')
  await postJson(lone.port, '/v1/publish', { subject: 'six.b' }, { traceparent: caller.traceparent })
  await traceWith(jaeger.url, caller.traceId, (all) => all.length >= 2)
  assert.ok((await metric(lone, 'exported')) >= 2)
})

test('a gateway that stops exports its last spans, and a frozen collector holds it for three seconds at most', {
  skip,
}, async (t) => {
  const late = { ...http, OTEL_BSP_SCHEDULE_DELAY: '60000' }
  const first = await running(t, gatewayAt(19976, late))
  const caller = newTrace('01')
  await postJson(first.port, '/v1/publish', { subject: 'seven.a' }, { traceparent: caller.traceparent })
  assert.deepEqual(await first.end('SIGTERM'), { code: 0, signal: null })
  await traceWith(jaeger.url, caller.traceId, (all) => all.length >= 2)
  const second = await running(t, gatewayAt(19976, late))
  await postJson(second.port, '/v1/publish', { subject: 'seven.b' }, { traceparent: newTrace('01').traceparent })
  jaeger.freeze()
  t.after(() => jaeger.resume())
  const startedMs = performance.now()
  assert.deepEqual(await second.end('SIGTERM'), { code: 0, signal: null })
  const tookMs = performance.now() - startedMs
  assert.ok(tookMs > 1900 && tookMs < 3500, `${tookMs} ms`)
})

test('an event that went to Kafka directly is traced as one of Kafka', { skip: skipKafka }, async (t) => {
  const site = await KafkaSite.start(19960, [{ name: 'eight', partitions: 2 }])
  t.after(() => site.close())
  const reader = await running(t, new GatewayProcess({ port: 19972, dir: site.dir, config: site.config(), env: http }))
  const clients = await connectAll(reader.url, ['eight.>'])
  t.after(() => closeAll(clients))
  const { traceId, offset } = await publishTraced(
    http,
    '--config',
    reader.configFile,
    '--broker',
    `kafka://${site.broker}`,
    'eight.a',
    'x',
  )
  const spans = await traceWith(jaeger.url, traceId, (all) => all.length >= 6)
  const [send] = named(spans, 'send eight')
  const [process] = named(spans, 'process eight')
  assert.deepEqual([send!.service, send!.parent], ['carillon-publish', ''])
  assert.deepEqual([process!.service, process!.parent], ['carillon', send!.id])
  for (const { attributes } of [send!, process!]) {
    assert.equal(attributes['messaging.system'], 'kafka')
    assert.equal(attributes['messaging.destination.name'], 'eight')
    assert.equal(attributes['messaging.kafka.offset'], offset)
  }
  assert.equal(process!.attributes['carillon.written'], 4)
  assert.ok((process!.attributes['carillon.broker_to_read_us'] as number) < 1_000_000)
})
