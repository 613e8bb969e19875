import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from '../../src/client/client.ts'
import type { Subscription } from '../../src/client/subscription.ts'
import { ManualClock, settled } from '../model/clock.ts'
import { clientOf, live, stateText } from './clients.ts'
import { delivery, FakeNet, refused, token } from './fake-transport.ts'

test('one connection serves all subscriptions made together, each from its own start', async () => {
  const { net, clock, subscribe } = await clientOf()
  subscribe('a', ['earliest'])
  subscribe('b.*')
  assert.equal(net.opened.length, 0)
  await clock.advance(0)
  assert.deepEqual(net.last.wishes, [
    { ref: 1, subject: 'a', after: ['earliest'] },
    { ref: 2, subject: 'b.*', after: [] },
  ])
})

test('a subscription joins and leaves on the existing connection', async () => {
  const { net, subscribe, subscriptions, told } = await live(['a'])
  subscribe('b', ['earliest'])
  subscriptions[0]!.close()
  assert.deepEqual(net.last.asked, [{ ref: 2, subject: 'b', after: ['earliest'] }, 1])
  net.last.handlers.frame(delivery('a', 9, [1]))
  assert.deepEqual(told, { a: ['closed done'], b: [] })
  assert.equal(net.opened.length, 1)
})

test('each subscription receives the events that match it, once, whichever others receive them', async () => {
  const { net, told } = await live(['a.b', 'a.*'])
  net.last.handlers.frame(delivery('a.b', 7))
  net.last.handlers.frame(delivery('a.c', 8))
  net.last.handlers.frame(delivery('a.c', 8))
  assert.deepEqual(told, { 'a.b': [7], 'a.*': [7, 8] })
})

test('a refusal for good closes the client and all of its subscriptions', async () => {
  const { client, net, clock, told, states } = await live(['a', 'b'])
  net.last.handlers.closed(refused('too_many_errors', 0, 'no'))
  await clock.advance(100_000)
  assert.deepEqual(told, { a: ['closed too_many_errors'], b: ['closed too_many_errors'] })
  assert.equal(states.at(-1), 'closed too_many_errors')
  assert.equal((await client.closed).code, 'too_many_errors')
  assert.equal(net.opened.length, 1)
})

test('an error about one subscription ends it, or lets it alone wait', async () => {
  const { net, clock, told, subscriptions } = await live(['a', 'b', 'c'])
  const error = { kind: 'error', message: '' } as const
  net.last.handlers.frame({ ...error, ref: 1, code: 'no_route', retry: 'no', retryAfterMs: 0 })
  net.last.handlers.frame({ ...error, ref: 2, code: 'stream_missing', retry: 'later', retryAfterMs: 700 })
  net.last.handlers.frame(delivery('c', 5))
  assert.deepEqual(told, { a: ['closed no_route'], b: [], c: [5] })
  assert.equal(stateText(subscriptions[1]!.state), 'waiting stream_missing 825')
  await clock.advance(825)
  assert.deepEqual(net.last.asked, [{ ref: 4, subject: 'b', after: [token(3)] }])
  assert.equal(net.opened.length, 1)
})

test('a subscription closed while it waits alone is not requested again', async () => {
  const { net, clock, subscriptions } = await live(['a', 'b'])
  net.last.handlers.frame({
    kind: 'error',
    ref: 2,
    code: 'stream_missing',
    message: '',
    retry: 'later',
    retryAfterMs: 700,
  })
  subscriptions[1]!.close()
  await clock.advance(60_000)
  assert.deepEqual(net.last.asked, [])
})

test('an unused connection is kept for the next subscription, and then closed', async () => {
  const { net, clock, subscribe, subscriptions, states } = await live(['a'])
  subscriptions[0]!.close()
  await clock.advance(4999)
  subscribe('b').close()
  assert.equal(net.last.closed, false)
  await clock.advance(5000)
  assert.deepEqual([net.last.closed, states.at(-1)], [true, 'waiting idle'])
})

test('unreadable input ends a connection, and the client if the next one delivers the same', async () => {
  const { net, clock, states, told } = await live(['a'])
  const nonsense = () => net.last.handlers.frame({ kind: 'subscribed', ref: 1, after: 'nonsense' })
  nonsense()
  assert.deepEqual([net.last.closed, states.at(-1)], [true, 'waiting bad_token 125'])
  await clock.advance(125)
  net.last.handlers.frame({ kind: 'subscribed', ref: 1, after: token(3) })
  await clock.advance(5000)
  nonsense()
  assert.deepEqual([net.opened.length, states.at(-1)], [2, 'waiting bad_token 125'])
  await clock.advance(125)
  nonsense()
  assert.deepEqual([net.last.closed, states.at(-1), told], [true, 'closed bad_token', { a: ['closed bad_token'] }])
})

test('over a shared connection, unreadable input ends only the subscription that receives it alone', async () => {
  const { net, clock, told, subscribe } = await clientOf({ kinds: 'sse' })
  subscribe('a', [token(3)])
  subscribe('b', [token(3)])
  await clock.advance(0)
  const isFor = (subject: string) => net.last.wishes.some((wish) => wish.subject === subject)
  for (let i = 0; i < 8; i++) {
    if (isFor('a')) net.last.handlers.position('nonsense')
    else net.last.handlers.position(token(4))
    await clock.advance(1000)
  }
  assert.deepEqual([told, net.last.wishes.map(({ subject }) => subject)], [{ a: ['closed bad_token'], b: [] }, ['b']])
})

test('a closed client calls back nothing and opens nothing', async () => {
  const { client, net, clock, told, subscribe } = await live(['a'])
  net.last.handlers.closed(refused('lost'))
  await client.close()
  await clock.advance(100_000)
  net.last.handlers.frame(delivery('a', 0, [1]))
  assert.deepEqual(told, { a: ['closed done'] })
  assert.equal(net.opened.length, 1)
  assert.throws(() => subscribe('b'), { code: 'bad_request' })
})

test('a callback for `connecting` may close the client, and nothing is opened', async () => {
  const net = new FakeNet()
  const clock = new ManualClock()
  const closing = async (ending: (client: Client, subscription: Subscription) => unknown) => {
    const client: Client = new Client(['http://one'], {
      ways: [net.transport('ws')],
      clock,
      onState: ({ name }) => name === 'connecting' && ending(client, subscription),
    })
    const subscription: Subscription = client.subscribe('a')
    await clock.advance(10_000)
  }
  await closing((client) => client.close())
  await closing((_, subscription) => subscription.close())
  assert.equal(net.opened.length, 0)
})

test('a subscription made in the callback for `connecting` is served by that connection', async () => {
  const net = new FakeNet()
  const clock = new ManualClock()
  const client: Client = new Client(['http://one'], {
    ways: [net.transport('ws')],
    clock,
    onState: ({ name }) => name === 'connecting' && client.subscribe('b'),
  })
  client.subscribe('a')
  await clock.advance(1000)
  assert.equal(net.opened.length, 1)
  assert.deepEqual(
    net.last.wishes.map(({ subject }) => subject),
    ['a', 'b'],
  )
})

test('a subscription that was full before its position was known, and has drained when it is, continues', async () => {
  const net = new FakeNet()
  const clock = new ManualClock()
  const client = new Client(['http://one'], {
    ways: [net.transport('sse', false)],
    clock,
    inbox: { maxEvents: 2, maxBytes: 1e6 },
  })
  const told: number[] = []
  const subscription = client.subscribe('a', {
    after: 'earliest',
    onEvent: async ({ offset }) => void told.push(offset),
    onGap: () => {},
  })
  await clock.advance(0)
  const sse = (offset: number) => net.last.handlers.frame({ ...delivery('a', offset), stream: 'events', after: '' })
  for (const offset of [0, 1, 2, 3]) sse(offset)
  await settled()
  assert.deepEqual(told, [0, 1, 2, 3])
  net.last.handlers.position(token(4))
  await clock.advance(60_000)
  sse(4)
  await settled()
  assert.deepEqual([subscription.state.name, told], ['catching-up', [0, 1, 2, 3, 4]])
})

test('the states of a client describe what it does', async () => {
  const { net, clock, states } = await live(['a'])
  net.last.handlers.closed(refused('lost'))
  await clock.advance(125)
  net.last.handlers.frame({ kind: 'subscribed', ref: 1, after: token(3) })
  assert.deepEqual(states, [
    'connecting one ws',
    'catching-up',
    'live',
    'waiting lost 125',
    'connecting one ws',
    'catching-up',
  ])
})
