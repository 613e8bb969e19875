import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { Client } from '../../src/client/client.ts'
import type { Received } from '../../src/client/received.ts'
import { memoryStore, type PositionStore } from '../../src/client/store.ts'
import type { SubscribeOptions } from '../../src/client/subscription.ts'
import type { TransportName } from '../../src/client/transports.ts'
import { makeEvent } from '../../src/wire/frames.ts'
import { ModelBroker } from '../model/broker.ts'
import { ManualClock, settled } from '../model/clock.ts'
import { TestGateway } from '../session/harness.ts'
import { delivery, FakeEnvironment, FakeNet, refused, token } from './fake-transport.ts'
import { ModelNet } from './model-net.ts'

/** `last` and `policy` in the SDK: over a model network to real sessions, and in its requests. */

const ways: TransportName[] = ['websocket', 'sse', 'poll']
const url = 'http://one.example'

/** A gateway with one partition, and its clients. */
async function site() {
  const gateway = await TestGateway.start(new ModelBroker('events', 1))
  const clock = new ManualClock()
  const random = seededRandom(7)
  const net = new ModelNet(gateway, clock, random)
  const time = async (ms: number) => {
    for (let left = ms; left > 0; left -= 10) {
      await Promise.all([clock.advance(Math.min(10, left)), gateway.clock.advance(Math.min(10, left))])
    }
    await settled()
  }
  const clientOf = (way: TransportName, store?: PositionStore) => {
    const stored = store === undefined ? {} : { store }
    const client = new Client([url], { ways: [net.transport(way)], clock, random, saveEveryMs: 5, ...stored })
    const follow = (subject: string, options: SubscribeOptions = {}) => {
      const told: string[] = []
      const item = (each: Received) => void told.push(each.kind === 'event' ? each.text() : `${each.reason} ${each.n}`)
      const subscription = client.subscribe(subject, { ...options, onEvent: item, onGap: item })
      return { told, subscription }
    }
    return { client, follow }
  }
  return { gateway, net, time, clientOf }
}

for (const way of ways) {
  test(`over ${way}, \`last\` delivers the last events of each subject, then new ones`, async () => {
    const { gateway, time, clientOf } = await site()
    for (const text of ['1', '2', '3', '4']) gateway.publish(text === '4' ? 'a.rare' : 'a.often', text)
    gateway.publish('a.often', '5')
    const { client, follow } = clientOf(way)
    const quiet = follow('b')
    await time(100)
    const [exact, pattern, none] = [
      follow('a.often', { last: 3 }),
      follow('a.*', { last: 1 }),
      follow('c', { last: 5 }),
    ]
    await time(2000)
    const states = [quiet, exact, pattern, none].map(({ subscription }) => subscription.state.name)
    assert.deepEqual(states, ['live', 'live', 'live', 'live'])
    gateway.publish('a.rare', '6')
    gateway.publish('c', '7')
    await time(2000)
    assert.deepEqual([exact.told, pattern.told, none.told], [['2', '3', '5'], ['4', '5', '6'], ['7']])
    await client.close()
  })

  test(`over ${way}, \`last\` is for the first start: after a lost connection its own position takes precedence`, async () => {
    const { gateway, net, time, clientOf } = await site()
    for (const text of ['1', '2', '3']) gateway.publish('a', text)
    const { client, follow } = clientOf(way)
    const { told } = follow('a', { last: 1 })
    await time(1000)
    net.cut()
    for (const text of ['4', '5']) gateway.publish('a', text)
    await time(10_000)
    assert.deepEqual(told, ['3', '4', '5'])
    await client.close()
  })

  test(`over ${way}, \`latest\` delivers the newest event of each subject to a client that was behind, and counts the others`, async () => {
    const { gateway, net, time, clientOf } = await site()
    const { client, follow } = clientOf(way)
    const [latest, other] = [follow('a.>', { policy: 'latest' }), follow('b', { policy: 'latest' })]
    await time(1000)
    net.cut()
    net.down.add(url)
    for (let i = 1; i <= 5; i++) gateway.publish('a.x', `x${i}`)
    gateway.publish('a.y', 'y1')
    net.down.clear()
    await time(30_000)
    gateway.publish('a.x', 'live')
    await time(1000)
    assert.deepEqual(latest.told, ['latest 4', 'x5', 'y1', 'live'])
    assert.deepEqual(other.told, way === 'websocket' ? [] : ['latest 4'], 'over one shared position it is told to all')
    await client.close()
  })

  test(`over ${way}, expired or collapsed events are reported with their number`, async () => {
    const { gateway, net, time, clientOf } = await site()
    const { client, follow } = clientOf(way)
    const { told } = follow('a')
    await time(1000)
    net.cut()
    net.down.add(url)
    gateway.publish('a', 'k1', { collapseKey: 'k' })
    gateway.publish('a', 'k2', { collapseKey: 'k' })
    gateway.publish('a', 'k3', { collapseKey: 'k' })
    gateway.publish('a', 'late', { ttlMs: 1 })
    gateway.publish('a', 'lossless')
    net.down.clear()
    await time(30_000)
    assert.deepEqual(told, ['collapsed 2', 'k3', 'ttl 1', 'lossless'])
    await client.close()
  })
}

/** A client whose connections the test plays. */
function played(kind: 'ws' | 'sse', store?: PositionStore) {
  const net = new FakeNet()
  const clock = new ManualClock()
  const own = store === undefined ? {} : { store }
  const ways = [net.transport(kind, kind === 'ws')]
  const environment = new FakeEnvironment()
  const client = new Client(['http://one'], { ways, clock, random: { next: () => 0.5 }, environment, ...own })
  const asked = () => net.last.wishes.map(({ ref: _, ...wish }) => wish)
  return { net, clock, client, asked }
}

test('a subscription that is full before its first position is known is requested again from there', async () => {
  const { net, clock, client, asked } = played('sse')
  const handled = Promise.withResolvers<void>()
  client.subscribe('a', { last: 1000, onEvent: () => handled.promise, onGap() {} })
  await clock.advance(0)
  const said = { ...delivery('a', 0), stream: 'events', after: '' }
  const first = net.last
  for (let offset = 0; offset < 1100; offset++) first.handlers.frame({ ...said, offset, after: token(1100) })
  assert.equal(first.closed, false, 'its position is yet to come')
  first.handlers.position(token(1100))
  assert.equal(first.closed, true)
  handled.resolve()
  for (let i = 0; i < 1100; i++) await handled.promise
  await clock.advance(0)
  assert.deepEqual(asked(), [{ subject: 'a', after: [token(1100)] }])
  await client.close()
})

test('`last` is requested until a position is known, `policy` always', async () => {
  const { net, clock, client, asked } = played('ws')
  client.subscribe('a', { last: 2, policy: 'latest' })
  client.subscribe('b', { last: 3, policy: 'lossless' })
  await clock.advance(0)
  const first = [
    { subject: 'a', after: [], last: 2, policy: 'latest' },
    { subject: 'b', after: [], last: 3 },
  ]
  assert.deepEqual(asked(), first)
  net.last.handlers.closed(refused('lost'))
  await clock.advance(1000)
  assert.deepEqual(asked(), first)
  net.last.handlers.frame({ kind: 'subscribed', ref: 1, after: token(3) })
  net.last.handlers.closed(refused('lost'))
  await clock.advance(1000)
  assert.deepEqual(asked(), [{ subject: 'a', after: [token(3)], policy: 'latest' }, first[1]])
})

test('a stored position takes precedence over `last`', async () => {
  const store = memoryStore()
  await store.save('known', token(9))
  const { clock, client, asked } = played('ws', store)
  client.subscribe('known', { last: 2 })
  client.subscribe('fresh', { last: 2 })
  await clock.advance(0)
  assert.deepEqual(asked(), [
    { subject: 'known', after: [token(9)] },
    { subject: 'fresh', after: [], last: 2 },
  ])
})

test('in a shared request, subscriptions with the same `last` are requested separately until they are live', async () => {
  const { net, clock, client, asked } = played('sse')
  client.subscribe('a', { last: 2 })
  client.subscribe('b', { last: 2 })
  client.subscribe('c', { last: 3 })
  client.subscribe('d')
  await clock.advance(0)
  const { handlers } = net.last
  assert.deepEqual(asked(), [
    { subject: 'a', after: [], last: 2 },
    { subject: 'b', after: [], last: 2 },
  ])
  handlers.position(token(3))
  await clock.advance(0)
  assert.equal(net.opened.length, 1, 'its position does not say which events below the head are wanted')
  handlers.frame({ kind: 'live', ref: 0 })
  await clock.advance(0)
  assert.deepEqual(asked(), [{ subject: 'c', after: [], last: 3 }])
  net.last.handlers.frame({ kind: 'live', ref: 0 })
  net.last.handlers.position(token(4))
})

test('over SSE, events that replace last events during a lost connection are new, and those left out are not', async () => {
  const { net, clock, client, asked } = played('sse')
  const told: string[] = []
  client.subscribe('a', { last: 3, onEvent: ({ offset, id }) => void told.push(`${offset} ${id}`), onGap() {} })
  await clock.advance(0)
  const brings = (offset: number, id: string) => {
    const event = makeEvent({ subject: 'a', id })
    net.last.handlers.frame({ ...delivery('a', offset), stream: 'events', after: '', event })
  }
  net.last.handlers.position(token(3))
  for (const offset of [3, 6, 8]) brings(offset, 'old')
  brings(9, '')
  net.last.handlers.closed(refused('lost'))
  await clock.advance(1000)
  assert.deepEqual(asked(), [{ subject: 'a', after: [token(3)] }])
  for (const offset of [3, 4, 6, 7]) brings(offset, 'old')
  brings(8, 'new')
  brings(9, '')
  brings(10, 'new')
  assert.deepEqual(told, ['3 old', '6 old', '8 old', '9 ', '8 new', '9 ', '10 new'])
  await client.close()
})

test('a shared request has `policy: latest` only if all subscriptions have it', async () => {
  const { net, clock, client, asked } = played('sse')
  client.subscribe('a', { policy: 'latest', after: token(1) })
  client.subscribe('b', { policy: 'latest', after: token(1) })
  await clock.advance(0)
  const latest = ['a', 'b'].map((subject) => ({ subject, after: [token(1)], policy: 'latest' }))
  assert.deepEqual(asked(), latest)
  const lossless = client.subscribe('c', { after: token(1) })
  await clock.advance(0)
  assert.deepEqual(
    asked(),
    ['a', 'b', 'c'].map((subject) => ({ subject, after: [token(1)] })),
  )
  lossless.close()
  await clock.advance(0)
  assert.deepEqual(asked(), latest)
  assert.equal(net.opened.length, 3)
})

test('the client refuses at once what the gateway would refuse', () => {
  const { client } = played('ws')
  for (const last of [0, -1, 1.5, 1001, Number.NaN]) {
    assert.throws(() => client.subscribe('a', { last }), { code: 'bad_request', message: /1 to 1000, got/ })
  }
  assert.throws(() => client.subscribe('a', { last: 1, after: 'earliest' }), { message: /after or last, got both/ })
  const wrong = { policy: 'newest' } as unknown as SubscribeOptions
  assert.throws(() => client.subscribe('a', wrong), { message: /lossless or latest, got "newest"/ })
})
