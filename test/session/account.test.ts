import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import type { LimitName } from '../../src/base/limits.ts'
import { sizes } from '../../src/session/account.ts'
import type { ClientSession } from '../../src/session/client-session.ts'
import { sessionLimits } from '../../src/session/options.ts'
import { encodeToken } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, type TestClient, TestGateway } from './harness.ts'

const bytesOf = ({ session }: TestClient): number => (session as ClientSession).account.bytes

const refusals = ({ instruments }: TestGateway, limit: LimitName): number =>
  instruments.gateway.refusals.counts()[limit]

/** Asserts that its last subscription was refused and that the session goes on. */
function refusedBy(client: TestClient) {
  assert.equal(client.ended, undefined)
  const { error } = client.frames.at(-1)!
  assert.deepEqual([error?.code, error?.retry], ['overloaded', 'later'])
  return error
}

const isRefused = ({ frames }: TestClient): boolean => 'error' in (frames.at(-1) ?? {})

test('a subscription that exceeds the memory of its session is refused by the named limit, and the others go on', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 64))
  const client = gateway.connect()
  for (let ref = 1; ref <= sessionLimits.maxSubscriptions && !isRefused(client); ref++) {
    client.subscribe(ref, '>')
    assert.ok(bytesOf(client) <= sessionLimits.maxSessionBytes)
  }
  const { message, retryAfterMs } = refusedBy(client)
  assert.match(message, /limits\.maxSessionBytes/)
  assert.ok(retryAfterMs >= 1000)
  assert.equal(refusals(gateway, 'maxSessionBytes'), 1)
  gateway.publish('a', 'goes on')
  assert.equal(client.texts.at(-1), 'goes on')
  client.session.closed()
  const poll = gateway.connect('poll')
  const patterns = Array.from({ length: 100 }, (_, i) => `a${i}.>`)
  assert.throws(() => poll.session.start(patterns, []), /limits\.maxSessionBytes/)
  poll.session.closed()
  for (let i = 0; i < 3; i++) await settled()
  assert.deepEqual(gateway.instruments.gateway.sessionBytes, 0)
})

test('any number of subscriptions may be refused for lack of room: those that fit go on', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), { maxTotalSubscriptions: 2 })
  const client = gateway.connect()
  for (let ref = 1; ref <= 1000; ref++) client.subscribe(ref, 'a')
  refusedBy(client)
  assert.equal(client.frames.filter((frame) => 'error' in frame).length, 998)
  gateway.publish('a', 'goes on')
  assert.deepEqual(client.texts, ['goes on'])
})

test('a thousand subscriptions fit, also while all of them catch up', async () => {
  const gateway = await TestGateway.start()
  const token = gateway.stream.partitions[0]!.tokenAt(0)
  gateway.publish('x', 'missed')
  const client = gateway.connect()
  client.refuses = true
  for (let ref = 1; ref <= 1000; ref++) client.subscribe(ref, `${'s'.repeat(40)}.${ref}`, token)
  assert.equal(client.ended, undefined)
  assert.ok(bytesOf(client) > 950_000)
})

test('subscriptions, patterns and memory of all sessions have separate limits, each refusing by its name until there is room', async () => {
  const limits = [
    ['maxTotalSubscriptions', 2, 'a'],
    ['maxTotalPatterns', 2, 'a.*'],
    ['maxTotalSessionMiB', (3 * sizes.session + 2 * sizes.track + 2500) / (1 << 20), 'a'],
  ] as const
  for (const [limit, value, subject] of limits) {
    const gateway = await TestGateway.start(new ModelBroker('events', 1), { [limit]: value })
    const early = [gateway.connect(), gateway.connect()]
    for (const client of early) client.subscribe(1, subject)
    const late = gateway.connect()
    for (let ref = 1; ref <= 3 && !isRefused(late); ref++) late.subscribe(ref, subject)
    const { message, retryAfterMs } = refusedBy(late)
    assert.match(message, new RegExp(`limits\\.${limit}`))
    assert.ok(retryAfterMs >= 1000)
    assert.equal(refusals(gateway, limit), 1)
    early[0]!.session.receive({ kind: 'unsubscribe', ref: 1 })
    early[1]!.session.closed()
    const again = gateway.connect()
    again.subscribe(1, subject)
    assert.equal(again.ended, undefined)
    gateway.publish('a', 'one')
    gateway.publish('a.b', 'two')
    assert.deepEqual(again.texts, [subject === 'a' ? 'one' : 'two'])
  }
})

test('a session for which there is no memory is not opened', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), {
    maxTotalSessionMiB: (2.5 * sizes.session) / (1 << 20),
  })
  const [one] = [gateway.connect(), gateway.connect()]
  assert.throws(() => gateway.connect(), /limits\.maxTotalSessionMiB/)
  one.session.closed()
  gateway.connect()
})

test('`last` delivers the events that fit, and reports the others as a gap', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), { maxSessionBytes: 8192 }, { entries: 256 })
  for (let i = 0; i < 100; i++) gateway.publish(`a${i}`, `${i}`)
  const client = gateway.connect()
  client.session.receive({ kind: 'subscribe', ref: 1, subject: '>', after: [], last: 1 })
  await settled()
  assert.equal(client.ended, undefined)
  const { length } = client.texts
  assert.ok(length > 5 && length < 50, `${length} events`)
  assert.deepEqual(
    client.texts,
    Array.from({ length }, (_, i) => `${100 - length + i}`),
  )
  const [gap] = client.gaps
  assert.deepEqual([gap.reason, gap.from ?? 0, gap.to], ['budget', 0, 99 - length])
  const another = gateway.connect()
  another.session.receive({ kind: 'subscribe', ref: 1, subject: '>', after: [] })
  await settled()
  assert.equal(bytesOf(client), bytesOf(another))
})

test('memory of found events is returned if their subscription is gone, or starts again because its stream has grown', async () => {
  for (const meanwhile of ['it leaves', 'its stream grows'] as const) {
    const broker = new ModelBroker('events', 1)
    const gateway = await TestGateway.start(broker, {}, { entries: 1024 })
    for (let i = 0; i < 600; i++) gateway.publish(`a${i}`, `${i}`)
    const client = gateway.connect()
    client.session.receive({ kind: 'subscribe', ref: 1, subject: '>', after: [], last: 1 })
    assert.ok(bytesOf(client) > sizes.session + 100 * sizes.found, 'it has found some, and goes on')
    if (meanwhile === 'its stream grows') {
      broker.grow(2)
      for (let i = 0; i < 10; i++) await settled()
      assert.equal(client.texts.length, 600)
    }
    client.session.receive({ kind: 'unsubscribe', ref: 1 })
    await settled()
    assert.equal(bytesOf(client), sizes.session, meanwhile)
  }
})

test('subscriptions of an SSE stream count from the start, also while the broker is asked for their start', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), { maxTotalSubscriptions: 3 })
  const early = gateway.connect('sse')
  early.session.start(['a', 'b'], ['earliest'])
  const late = gateway.connect('sse')
  assert.throws(() => late.session.start(['a', 'b'], ['earliest']), /limits\.maxTotalSubscriptions/)
  late.session.closed()
  early.session.closed()
  await settled()
  const { subscriptions, sessionBytes } = gateway.instruments.gateway
  assert.deepEqual([subscriptions, sessionBytes], [0, 0])
})

test('a session that joins or leaves its partitions slice by slice keeps all of its memory charged meanwhile', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 64))
  const { gateway: figures } = gateway.instruments
  const client = gateway.connect('sse')
  client.session.start(['a.*', 'b.*', 'c.*', 'd.*'], [])
  assert.equal(client.openedAt, undefined, 'it is on its way')
  const bytes = bytesOf(client)
  await settled()
  assert.notEqual(client.openedAt, undefined)
  assert.deepEqual([bytesOf(client), figures.sessionBytes], [bytes, bytes])
  client.session.closed()
  assert.equal(figures.sessionBytes, bytes)
  await settled()
  assert.equal(figures.sessionBytes, 0)
})

test('a request for far more than fits is refused before all of it is examined', async (t) => {
  const gateway = await TestGateway.start(new ModelBroker('events', 64))
  const poll = gateway.connect('poll')
  const asked = t.mock.method(gateway.feeds, 'partitionsFor')
  const patterns = Array.from({ length: 1000 }, (_, i) => `a${i}.>`)
  assert.throws(() => poll.session.start(patterns, []), /limits\.maxSessionBytes/)
  assert.ok(asked.mock.callCount() < 50, `${asked.mock.callCount()} of 1000`)
})

test('a session is charged for the partitions in which it begins: its stream may have grown meanwhile', async () => {
  for (const transport of ['websocket', 'sse'] as const) {
    const broker = new ModelBroker('events', 1)
    const gateway = await TestGateway.start(broker, { maxSessionBytes: 32_768 })
    const client = gateway.connect(transport)
    if (transport === 'sse') client.session.start(['>'], ['earliest'])
    else client.subscribe(1, '>', 'earliest')
    broker.grow(64)
    for (let i = 0; i < 10; i++) await settled()
    if (transport === 'websocket') assert.match(refusedBy(client).message, /limits\.maxSessionBytes/)
    else assert.equal((client.ended as { code?: string } | undefined)?.code, 'overloaded')
    client.session.closed()
    assert.equal(gateway.instruments.gateway.sessionBytes, 0)
  }
})

const partitions = 3
const subjects = ['a', 'b.c', 'ü', '*', 'b.>', '>']

const starts = ['latest', 'token', 'last', 'earliest', 'carried'] as const

type Start = (typeof starts)[number]

type Step =
  | { kind: 'subscribe'; subject: string; how: Start }
  | { kind: 'unsubscribe'; ref: number }
  | { kind: 'publish' | 'full' | 'drain' | 'ping' | 'grow' | 'settle' }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({
    kind: fc.constant('subscribe' as const),
    subject: fc.constantFrom(...subjects),
    how: fc.constantFrom(...starts),
  }),
  fc.record({ kind: fc.constant('unsubscribe' as const), ref: fc.integer({ min: 1, max: 20 }) }),
  fc.record({ kind: fc.constantFrom('publish', 'full', 'drain', 'ping', 'grow', 'settle') }),
)

test('a session stays within its memory limit whatever it does, and returns everything at its end', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...transports),
      fc.integer({ min: 5000, max: 16_000 }),
      fc.array(step, { maxLength: 40 }),
      async (transport, maxSessionBytes, steps) => {
        const broker = new ModelBroker('events', partitions)
        const gateway = await TestGateway.start(broker, { maxSessionBytes })
        const { gateway: figures } = gateway.instruments
        const client = gateway.connect(transport)
        const open = new Set<number>()
        for (const [i, each] of steps.entries()) {
          if (client.ended !== undefined) break
          if (transport === 'websocket') await take(each, { gateway, client, open, ref: i + 1 })
          else if (each.kind === 'subscribe' && !open.has(0)) begin(each, { gateway, client, open })
          else if (each.kind !== 'subscribe' && each.kind !== 'ping')
            await take(each, { gateway, client, open, ref: 0 })
          assert.ok(bytesOf(client) <= maxSessionBytes, `${bytesOf(client)} of ${maxSessionBytes}`)
          assert.equal(figures.sessionBytes, bytesOf(client))
        }
        client.session.closed()
        await settled()
        assert.deepEqual([figures.sessionBytes, figures.subscriptions, figures.patterns], [0, 0, 0])
      },
    ),
    { numRuns: 300 },
  )
})

const transports = ['websocket', 'sse', 'poll'] as const

/** SSE and poll: all subscriptions of the session. */
function begin(
  { subject, how }: Extract<Step, { kind: 'subscribe' }>,
  { gateway, client, open }: Omit<Scene, 'ref'>,
): void {
  open.add(0)
  const { after, ...options } = startOf(gateway, how)
  try {
    client.session.start([subject, 'a', 'b.*'], after, options)
  } catch {
    client.session.closed()
    client.ended = 'normally'
  }
}

test('subscriptions return what they took, whatever their session did', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const broker = new ModelBroker('events', partitions)
      const gateway = await TestGateway.start(broker)
      const client = gateway.connect()
      const open = new Set<number>()
      for (const [i, each] of steps.entries()) await take(each, { gateway, client, open, ref: i + 1 })
      client.drain()
      await settled()
      assert.equal(client.ended, undefined)
      for (const each of open) client.session.receive({ kind: 'unsubscribe', ref: each })
      await settled()
      const { gateway: figures } = gateway.instruments
      assert.deepEqual([bytesOf(client), figures.subscriptions, figures.patterns], [sizes.session, 0, 0])
      client.session.closed()
      assert.equal(figures.sessionBytes, 0)
    }),
    { numRuns: 200 },
  )
})

interface Scene {
  readonly gateway: TestGateway
  readonly client: TestClient
  /** Refs of the current subscriptions. */
  readonly open: Set<number>
  /** Next ref. */
  readonly ref: number
}

async function take(step: Step, { gateway, client, open, ref }: Scene): Promise<void> {
  const broker = gateway.broker
  switch (step.kind) {
    case 'subscribe':
      client.session.receive({ kind: 'subscribe', ref, subject: step.subject, ...startOf(gateway, step.how) })
      open.add(ref)
      break
    case 'unsubscribe':
      if (open.delete(step.ref)) client.session.receive({ kind: 'unsubscribe', ref: step.ref })
      break
    case 'publish':
      for (const subject of ['a', 'b.c', 'ü']) gateway.publish(subject, 'x')
      break
    case 'full':
      client.room = Math.min(client.room, 1)
      break
    case 'drain':
      client.drain()
      break
    case 'ping':
      client.session.receive({ kind: 'ping', t: 1 })
      break
    case 'grow':
      broker.grow(Math.min(6, broker.info.partitions + 1))
      break
    case 'settle':
      await settled()
  }
}

function startOf({ stream }: TestGateway, how: Start): { after: readonly string[]; last?: number } {
  const [first] = stream.partitions
  if (how === 'last') return { after: [], last: 2 }
  if (how === 'earliest') return { after: ['earliest'] }
  if (how === 'token') return { after: [first!.tokenAt(0)] }
  if (how === 'latest') return { after: [] }
  const position = first!.positionAt(0)
  return { after: [encodeToken([position, { ...position, partition: 4 }, { ...position, partition: 5 }])] }
}
