import assert from 'node:assert/strict'
import test from 'node:test'
import type { CarillonError } from '../../src/base/errors.ts'
import { systemRandom } from '../../src/base/random.ts'
import { fillDefaults } from '../../src/fanout/options.ts'
import { allowAll } from '../../src/identity/grant.ts'
import { defaultRoutes } from '../../src/routing/options.ts'
import { RoutingTable } from '../../src/routing/table.ts'
import type { ServingOptions } from '../../src/serving/options.ts'
import { Serving } from '../../src/serving/serving.ts'
import { readBackDefaults, sessionLimits } from '../../src/session/options.ts'
import { type Outlet, writeOutcome } from '../../src/session/outlet.ts'
import type { TailSink } from '../../src/source/source.ts'
import { Instruments } from '../../src/telemetry/instruments.ts'
import { ModelBroker } from '../model/broker.ts'
import { ManualClock, settled } from '../model/clock.ts'
import { quiet, TestGateway } from '../session/harness.ts'

const mib = 1 << 20

const options: ServingOptions = {
  gateway: 'one',
  version: '1.2.3',
  heartbeatMs: 25_000,
  limits: { ...sessionLimits, maxSessions: 2, maxSubscriptions: 3, maxFrameBytes: 4000, maxEventBytes: 5000 },
  streams: { events: { topic: 'carillon', partitions: 1 } },
  createTopics: false,
  window: { payloadBytes: mib, indexBytes: mib },
  fill: fillDefaults,
  readBack: { ...readBackDefaults, cacheBytes: mib },
  seed: 7,
}

function setUp(more: Partial<ServingOptions> = {}, broker = new ModelBroker('carillon', 1)) {
  const clock = new ManualClock()
  const instruments = new Instruments()
  const serving = new Serving(
    { ...options, ...more },
    {
      source: broker,
      routing: new RoutingTable(defaultRoutes),
      clock,
      random: systemRandom,
      logger: quiet,
      instruments,
    },
  )
  return { serving, clock, instruments, broker }
}

/** A WebSocket that keeps the frames it receives. */
function outlet() {
  const frames: Record<string, ReturnType<typeof JSON.parse>>[] = []
  const outlet: Outlet = {
    transport: 'websocket',
    encoding: 'json',
    peer: '192.0.2.1',
    write: (frame) => {
      frames.push(JSON.parse(Buffer.from(frame).toString('utf8')))
      return writeOutcome.sent
    },
    batch: (run) => run(),
    opened() {},
    caughtUp() {},
    end() {},
  }
  return { outlet, frames }
}

test('clients are admitted once each stream is read, and no timer is left', async () => {
  const { serving, clock } = setUp()
  await serving.start()
  assert.deepEqual(serving.troubles(), [])
  assert.equal(clock.waiting, 0)
})

test('clients are admitted after a second if the broker does not answer', async () => {
  const broker = new ModelBroker('carillon', 1)
  broker.describe = () => new Promise(() => {})
  const { serving, clock } = setUp({}, broker)
  let started = false
  void serving.start().then(() => {
    started = true
  })
  await clock.advance(999)
  assert.equal(started, false)
  await clock.advance(1)
  assert.equal(started, true)
  assert.deepEqual(
    serving.troubles().map(({ when }) => when),
    ['before it was served'],
  )
})

test('once streams are served, broker problems are reported apart from reasons to reject clients', async () => {
  const { serving } = setUp()
  await serving.start()
  const feed = serving.feeds.streams.get('events')!
  for (const state of ['away', 'missing'] as const) {
    feed.state(state, 'nobody answers')
    assert.deepEqual(serving.troubles(), [
      { what: `stream events is ${state}: nobody answers`, when: 'while it is served' },
    ])
  }
  feed.state('up', '')
  assert.deepEqual(serving.troubles(), [])
})

test('a stream that this gateway could never read keeps clients out, even if it knows the stream', async () => {
  const broker = new ModelBroker('carillon', 1)
  const { tail } = broker
  let opened: TailSink | undefined
  broker.tail = (stream, from, sink) => {
    opened = sink
    return tail.call(broker, stream, from, Object.assign(Object.create(sink), { state: () => {} }))
  }
  const { serving } = setUp({}, broker)
  await serving.start()
  const [starting] = serving.troubles()
  assert.deepEqual(starting, {
    what: 'stream events is starting: its partitions are not read yet',
    when: 'before it was served',
  })
  opened!.state('away', 'no more consumers')
  assert.deepEqual(
    serving.troubles().map(({ when }) => when),
    ['before it was served'],
  )
  opened!.state('up', 'the set-up is odd')
  assert.deepEqual(serving.troubles(), [
    { what: 'stream events is read, but the set-up is odd', when: 'while it is served' },
  ])
})

test('a stalled partition is reported after a second: at an open transaction, or if nothing arrives', async () => {
  const { serving, clock } = setUp({}, new ModelBroker('carillon', 3))
  await serving.start()
  const stream = serving.feeds.streams.get('events')!
  const sinceMs = clock.nowUs() / 1000
  stream.end(1, 0, { first: 0, head: 0, blocked: { offsets: 51, sinceMs } })
  stream.end(2, 0, { first: 0, head: 7 })
  await clock.advance(999)
  assert.deepEqual(serving.troubles(), [])
  await clock.advance(1001)
  const told = (what: string) => [{ what: `stream events, partition ${what}`, when: 'while it is served' }]
  const blocked = '1: an open transaction holds back 51 offsets, for 2 seconds'
  assert.deepEqual(serving.troubles(), told(`${blocked} (and 1 more)`))
  stream.end(2, 3, { first: 0, head: 7 })
  assert.deepEqual(serving.troubles(), told(blocked))
  stream.end(1, 0, { first: 0, head: 0 })
  assert.deepEqual(serving.troubles(), [])
  await clock.advance(1000)
  assert.deepEqual(serving.troubles(), told('2: the broker has 4 offsets more but delivers none, for 1 second'))
  assert.deepEqual(
    serving.status()[0]!.partitions.map(({ blocked: held }) => held),
    [0, 0, 0],
  )
  stream.end(2, 7, { first: 0, head: 7 })
  assert.deepEqual(serving.troubles(), [])
})

test('welcome announces the limits that apply to the client', async () => {
  const { serving } = setUp()
  await serving.start()
  const { outlet: socket, frames } = outlet()
  const session = serving.sessions.open(socket, allowAll)
  const { welcome } = frames[0]!
  assert.deepEqual([welcome.gateway, welcome.version, welcome.heartbeatMs], ['one', '1.2.3', 25_000])
  const { maxFrameBytes, maxEventBytes, maxSubscriptions } = welcome.limits
  assert.deepEqual([maxFrameBytes, maxEventBytes, maxSubscriptions], [4000, 5000, 3])
  for (const ref of [1, 2, 3, 4]) session.receive({ kind: 'subscribe', ref, subject: `a.${ref}`, after: [] })
  assert.equal(frames.at(-1)!.error.code, 'too_many_subscriptions')
  serving.sessions.open(outlet().outlet, allowAll)
  assert.throws(() => serving.sessions.open(outlet().outlet, allowAll), { code: 'overloaded' })
})

test('clients without room are asked to come back in one to three seconds, and not all at once', () => {
  const { serving } = setUp()
  for (const _ of [1, 2]) serving.sessions.open(outlet().outlet, allowAll)
  const waits = Array.from({ length: 50 }, () => {
    try {
      serving.sessions.open(outlet().outlet, allowAll)
    } catch (error) {
      return (error as CarillonError).retryAfterMs!
    }
    return 0
  })
  assert.ok(Math.min(...waits) >= 1000 && Math.max(...waits) <= 3000, waits.join())
  assert.ok(Math.max(...waits) - Math.min(...waits) > 500, waits.join())
})

test('each configured stream has a feed in the one pool, and figures', async () => {
  const streams = { events: options.streams.events!, more: { topic: 'other', partitions: 2, format: 'raw' as const } }
  const { serving, instruments } = setUp({ streams })
  await serving.start()
  assert.deepEqual(
    serving.status().map(({ name, topic, state }) => [name, topic, state]),
    [
      ['events', 'carillon', 'up'],
      ['more', 'other', 'up'],
    ],
  )
  assert.equal(serving.pool.windows, 2)
  assert.deepEqual(
    ['events', 'more'].map((name) => instruments.stream(name).observe().state),
    ['up', 'up'],
  )
  assert.equal(instruments.observePool().payload.limitBytes, mib)
})

test('nothing is read after close, even if a feed failed to close', async () => {
  const gateway = await TestGateway.start()
  const client = gateway.connect()
  gateway.stream.intake.close = () => Promise.reject(new Error('it hangs'))
  for (let i = 0; i < 200; i++) gateway.publish('a', `${i}`)
  await assert.rejects(gateway.serving.close(), /it hangs/)
  const before = gateway.broker.ranges
  client.subscribe(1, 'a', 'earliest')
  await settled()
  assert.equal(gateway.broker.ranges, before)
})
