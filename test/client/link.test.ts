import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client, type ClientOptions } from '../../src/client/client.ts'
import type { Received } from '../../src/client/received.ts'
import type { State } from '../../src/client/state.ts'
import type { Subscription } from '../../src/client/subscription.ts'
import { encodeToken, growthPosition, type Log, logOf } from '../../src/wire/token.ts'
import { ManualClock, settled } from '../model/clock.ts'
import { delivery, FakeEnvironment, FakeNet, refused, token } from './fake-transport.ts'

const stateText = (state: State) => {
  if (state.name === 'connecting') return `connecting ${state.url.slice(7)} ${state.transport}`
  if (state.name === 'waiting') return `waiting ${state.reason.code} ${state.retryMs ?? ''}`.trim()
  return state.name === 'closed' ? `closed ${state.reason.code}` : state.name
}

/** Until a shared request that was left at once is made anew, by these clients' randomness, ms. */
const tornMs = 125

/** A client over transports that the test plays, and what it told. */
async function clientOf(options: Partial<ClientOptions> & { urls?: string[]; kinds?: string } = {}) {
  const net = new FakeNet()
  const clock = new ManualClock()
  const environment = new FakeEnvironment()
  const states: string[] = []
  const kinds = (options.kinds ?? 'ws').split(' ')
  const client = new Client(options.urls ?? ['http://one'], {
    ways: kinds.map((kind) => net.transport(kind, kind === 'ws')),
    clock,
    random: { next: () => 0.5 },
    environment,
    onState: (state) => states.push(stateText(state)),
    ...options,
  })
  const told: Record<string, unknown[]> = {}
  const subscribe = (subject: string, after: string[] = []): Subscription => {
    const own: unknown[] = []
    told[subject] = own
    const item = (each: Received) => void own.push(each.kind === 'event' ? each.offset : each.reason)
    return client.subscribe(subject, {
      after,
      onEvent: item,
      onGap: item,
      onClosed: ({ code }) => own.push(`closed ${code}`),
    })
  }
  return { client, net, clock, environment, states, told, subscribe }
}

/** One that is connected and live. */
async function live(subjects: readonly string[], options: Parameters<typeof clientOf>[0] = {}) {
  const all = await clientOf(options)
  const subscriptions = subjects.map((subject) => all.subscribe(subject))
  await all.clock.advance(0)
  for (const { ref } of all.net.last.wishes) {
    all.net.last.handlers.frame({ kind: 'subscribed', ref, after: token(3) })
    all.net.last.handlers.frame({ kind: 'live', ref })
  }
  return { ...all, subscriptions }
}

test('one connection is opened for all that is subscribed together, each from its own start', async () => {
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

test('a subscription comes and goes on the connection that is there', async () => {
  const { net, subscribe, subscriptions, told } = await live(['a'])
  subscribe('b', ['earliest'])
  subscriptions[0]!.close()
  assert.deepEqual(net.last.asked, [{ ref: 2, subject: 'b', after: ['earliest'] }, 1])
  net.last.handlers.frame(delivery('a', 9, [1]))
  assert.deepEqual(told, { a: ['closed done'], b: [] })
  assert.equal(net.opened.length, 1)
})

test('each subscription is given what matches it, once, whoever else it is for', async () => {
  const { net, told } = await live(['a.b', 'a.*'])
  net.last.handlers.frame(delivery('a.b', 7))
  net.last.handlers.frame(delivery('a.c', 8))
  net.last.handlers.frame(delivery('a.c', 8))
  assert.deepEqual(told, { 'a.b': [7], 'a.*': [7, 8] })
})

test('after a loss it connects again by back-off, behind what each was given', async () => {
  const { net, clock, states } = await live(['a', 'b'])
  net.last.handlers.frame(delivery('a', 7, [1]))
  net.last.handlers.closed(undefined)
  assert.equal(states.at(-1), 'waiting lost 125')
  await clock.advance(124)
  assert.equal(net.opened.length, 1)
  await clock.advance(1)
  assert.deepEqual(
    net.last.wishes.map(({ after }) => after),
    [[token(8)], [token(3)]],
  )
})

test('it waits as long as the gateway asked for, whatever happens meanwhile', async () => {
  const { net, clock, environment, states } = await live(['a'])
  net.last.handlers.closed(refused('overloaded', 9000))
  assert.equal(states.at(-1), 'waiting overloaded 9125')
  environment.happens('online')
  environment.happens('visible')
  await clock.advance(8999)
  assert.equal(net.opened.length, 1)
  await clock.advance(1)
  assert.equal(net.opened.length, 2)
})

test('failures in a row wait longer, and a subscription that works starts over', async () => {
  const { net, clock, states } = await live(['a'])
  for (const ms of [125, 250, 500]) {
    net.last.handlers.closed(undefined)
    assert.equal(states.at(-1), `waiting lost ${ms}`)
    await clock.advance(ms)
  }
  net.last.handlers.frame({ kind: 'subscribed', ref: 1, after: token(3) })
  net.last.handlers.closed(undefined)
  assert.equal(states.at(-1), 'waiting lost 125')
})

test('each loss goes on to the next gateway', async () => {
  const { net, clock } = await live(['a'], { urls: ['http://one', 'http://two'] })
  for (let i = 0; i < 3; i++) {
    net.last.handlers.closed(undefined)
    await clock.advance(10_000)
  }
  assert.deepEqual(
    net.opened.map(({ url }) => url),
    ['http://one', 'http://two', 'http://one', 'http://two'],
  )
})

test('a transport that brings nothing three times is left for the next, and tried again beside it', async () => {
  const { net, clock, subscribe, told } = await clientOf({ kinds: 'ws sse' })
  subscribe('a')
  await clock.advance(0)
  for (let i = 0; i < 3; i++) {
    net.last.handlers.closed(undefined)
    await clock.advance(1000)
  }
  const sse = net.last
  assert.equal(sse.transport, 'sse')
  sse.handlers.position(token(4))
  sse.handlers.frame({ kind: 'live', ref: 0 })
  await clock.advance(10_000)
  assert.deepEqual([net.last.transport, net.last.wishes, sse.closed], ['ws', [], false])
  net.last.handlers.closed(undefined)
  sse.handlers.frame({ ...delivery('a', 6), stream: 'events', after: '' })
  sse.handlers.position(token(7))
  await clock.advance(20_000)
  const limits = { maxFrameBytes: 1, maxEventBytes: 1, maxSubjectBytes: 1, maxSubscriptions: 1 }
  net.last.handlers.frame({ kind: 'welcome', gateway: 'g', version: '1', limits, heartbeatMs: 1, nowUs: 1 })
  assert.equal(sse.closed, true)
  assert.deepEqual(net.last.wishes, [{ ref: 1, subject: 'a', after: [token(7)] }])
  assert.deepEqual(told, { a: [6] })
})

test('a better transport that does not answer is tried again after twice as long, and not sooner', async () => {
  const { net, clock, subscribe } = await clientOf({ kinds: 'ws sse' })
  subscribe('a')
  await clock.advance(0)
  for (let i = 0; i < 3; i++) {
    net.last.handlers.closed(undefined)
    await clock.advance(1000)
  }
  net.last.handlers.position(token(4))
  for (const ms of [10_000, 20_000, 40_000]) {
    const before = net.opened.length
    await clock.advance(ms - 1)
    assert.equal(net.opened.length, before)
    await clock.advance(1)
    assert.equal(net.opened.length, before + 1)
    net.last.handlers.closed(undefined)
  }
})

test('a gateway that has answered is no reason to leave the transport', async () => {
  const { net, clock } = await live(['a'], { kinds: 'ws sse' })
  for (let i = 0; i < 5; i++) {
    net.last.handlers.frame({ kind: 'subscribed', ref: 1, after: token(3) })
    net.last.handlers.closed(undefined)
    await clock.advance(1000)
  }
  assert.ok(net.opened.every(({ transport }) => transport === 'ws'))
})

test('a refusal for ever closes the client and all of its subscriptions', async () => {
  const { client, net, clock, told, states } = await live(['a', 'b'])
  net.last.handlers.closed(refused('too_many_errors', 0, true))
  await clock.advance(100_000)
  assert.deepEqual(told, { a: ['closed too_many_errors'], b: ['closed too_many_errors'] })
  assert.equal(states.at(-1), 'closed too_many_errors')
  assert.equal((await client.closed).code, 'too_many_errors')
  assert.equal(net.opened.length, 1)
})

test('an error about one subscription ends that one, or has it wait by itself', async () => {
  const { net, clock, told, subscriptions } = await live(['a', 'b', 'c'])
  const error = { kind: 'error', message: '' } as const
  net.last.handlers.frame({ ...error, ref: 1, code: 'no_route', retryAfterMs: 0 })
  net.last.handlers.frame({ ...error, ref: 2, code: 'stream_missing', retryAfterMs: 700 })
  net.last.handlers.frame(delivery('c', 5))
  assert.deepEqual(told, { a: ['closed no_route'], b: [], c: [5] })
  assert.equal(stateText(subscriptions[1]!.state), 'waiting stream_missing 825')
  await clock.advance(825)
  assert.deepEqual(net.last.asked, [{ ref: 4, subject: 'b', after: [token(3)] }])
  assert.equal(net.opened.length, 1)
})

test('a subscription that is closed while it waits by itself is not asked for again', async () => {
  const { net, clock, subscriptions } = await live(['a', 'b'])
  net.last.handlers.frame({ kind: 'error', ref: 2, code: 'stream_missing', message: '', retryAfterMs: 700 })
  subscriptions[1]!.close()
  await clock.advance(60_000)
  assert.deepEqual(net.last.asked, [])
})

test('where all share one position, they start together where they start alike', async () => {
  const { net, clock, subscribe } = await clientOf({ kinds: 'sse' })
  subscribe('a', ['earliest'])
  subscribe('b', ['earliest'])
  await clock.advance(0)
  assert.deepEqual(
    net.last.wishes.map(({ subject, after }) => [subject, after]),
    [
      ['a', ['earliest']],
      ['b', ['earliest']],
    ],
  )
})

test('where all share one position, a new one finds its own first, then all go on from the lowest', async () => {
  const { net, clock, subscribe, told } = await clientOf({ kinds: 'sse' })
  subscribe('a')
  await clock.advance(0)
  net.last.handlers.position(token(4))
  net.last.handlers.frame({ ...delivery('a', 6), stream: 'events', after: '' })
  net.last.handlers.position(token(7))
  subscribe('a.b')
  subscribe('b')
  await clock.advance(0)
  assert.equal(net.opened[0]!.closed, true)
  assert.deepEqual(
    net.last.wishes.map(({ subject, after }) => [subject, after]),
    [
      ['a.b', []],
      ['b', []],
    ],
  )
  net.last.handlers.position(token(9))
  await clock.advance(0)
  assert.deepEqual(
    net.last.wishes.map(({ subject, after }) => [subject, after]),
    [
      ['a', [token(7)]],
      ['a.b', [token(7)]],
      ['b', [token(7)]],
    ],
  )
  net.last.handlers.frame({ ...delivery('b', 8), stream: 'events', after: '' })
  net.last.handlers.frame({ ...delivery('a', 8), stream: 'events', after: '' })
  net.last.handlers.frame({ ...delivery('b', 9), stream: 'events', after: '' })
  assert.deepEqual(told, { a: [6, 8], 'a.b': [], b: [9] })
})

test('where all share one position, who stands there or further on in another history is asked for apart, to be told of it', async () => {
  const { net, clock, subscribe } = await clientOf({ kinds: 'sse' })
  subscribe('a', [token(28, 0)])
  subscribe('b', [token(0, -1)])
  await clock.advance(0)
  net.last.handlers.position(token(0, -1))
  await clock.advance(0)
  assert.equal(net.opened.length, 1, 'no history is said')
  net.last.handlers.position(token(28, 1))
  net.last.handlers.frame({ kind: 'live', ref: 0 })
  await clock.advance(tornMs)
  assert.deepEqual(
    net.last.wishes.map(({ subject, after }) => [subject, after]),
    [['a', [token(28, 0)]]],
  )
  net.last.handlers.frame({ kind: 'live', ref: 0 })
  await clock.advance(0)
  assert.deepEqual(
    net.last.wishes.map(({ subject }) => subject),
    ['b'],
  )
  net.last.handlers.frame({ kind: 'live', ref: 0 })
  await clock.advance(0)
  assert.equal(net.last.wishes.length, 2)
  net.last.handlers.position(token(6, 1))
  await clock.advance(0)
  assert.equal(net.opened.length, 4, 'each has been told all that there was to tell')
})

test('where all share one position, who was told everything of another log than the gateway reads is asked for apart again', async () => {
  const { net, clock, subscribe } = await clientOf({ kinds: 'sse' })
  const [old, made] = [logOf('events', 'one'), logOf('events', 'two')]
  const at = (log: Log, offset: number) => ({ ...log, partition: 0, offset, generation: -1 })
  const stands = (log: Log, offset: number) => encodeToken([at(log, offset), growthPosition(log, 1)])
  const says = (log: Log, offset: number) => encodeToken([at(log, offset), growthPosition(log, 1, 0)])
  const asked = () => net.last.wishes.map(({ subject }) => subject)
  const isTold = async (token: string) => {
    net.last.handlers.position(token)
    net.last.handlers.frame({ kind: 'live', ref: 0 })
    await clock.advance(0)
  }
  subscribe('a', [stands(old, 5)])
  subscribe('b', [stands(made, 3)])
  await clock.advance(0)
  assert.deepEqual(asked(), ['a'])
  await isTold(says(old, 5))
  assert.deepEqual(asked(), ['b'])
  await isTold(says(made, 3))
  assert.deepEqual(asked(), ['a', 'b'])
  await isTold(stands(old, 5))
  assert.deepEqual(asked(), ['a', 'b'], 'a stream that is only carried through says nothing of its logs')
  net.last.handlers.position(says(made, 3))
  await clock.advance(tornMs)
  assert.deepEqual(net.last.wishes, [{ ref: 1, subject: 'a', after: [says(old, 5)] }])
  const gap = { kind: 'gap', stream: 'events', partition: 0, from: 5, reason: 'recreated', certain: false } as const
  net.last.handlers.frame({ ...gap, after: stands(made, 0) })
  await isTold(says(made, 0))
  assert.deepEqual(asked(), ['a', 'b'])
  await isTold(says(made, 0))
  assert.equal(net.opened.length, 5, 'each has been told all of that log')
})

test('where all share one position, and gateways that take turns read different logs, requests come apart until all are told together', async () => {
  const { net, clock, states, subscribe } = await clientOf({ kinds: 'sse' })
  const [old, made] = [logOf('events', 'one'), logOf('events', 'two')]
  const at = (log: Log, offset: number) => ({ ...log, partition: 0, offset, generation: -1 })
  const stands = (log: Log, offset: number) => encodeToken([at(log, offset), growthPosition(log, 1)])
  const isTold = (log: Log, offset: number) => {
    net.last.handlers.position(encodeToken([at(log, offset), growthPosition(log, 1, 0)]))
    net.last.handlers.frame({ kind: 'live', ref: 0 })
  }
  subscribe('a', [stands(old, 5)])
  subscribe('b', [stands(made, 3)])
  await clock.advance(0)
  isTold(old, 5)
  await clock.advance(0)
  isTold(made, 3)
  await clock.advance(0)
  /** Until the next request, once this one was left. */
  const waitMs = async () => {
    const { length } = net.opened
    const sinceMs = clock.monotonicMs()
    while (net.opened.length === length) await clock.advance(1)
    return clock.monotonicMs() - sinceMs
  }
  const waits: number[] = []
  for (let i = 0; i < 4; i++) {
    assert.equal(net.last.wishes.length, 2)
    isTold(old, 5)
    assert.equal(states.at(-1), 'catching-up')
    waits.push(await waitMs())
    isTold(made, 3)
    await clock.advance(0)
  }
  assert.deepEqual(waits, [tornMs, 2 * tornMs, 4 * tornMs, 8 * tornMs])
  isTold(made, 3)
  await waitMs()
  const gap = { kind: 'gap', stream: 'events', partition: 0, from: 5, reason: 'recreated', certain: false } as const
  net.last.handlers.frame({ ...gap, after: stands(made, 0) })
  isTold(made, 0)
  await clock.advance(0)
  isTold(made, 0)
  assert.equal(states.at(-1), 'live')
  subscribe('c', [stands(logOf('events', 'three'), 1)])
  await clock.advance(0)
  isTold(made, 3)
  await clock.advance(0)
  isTold(logOf('events', 'three'), 1)
  await clock.advance(0)
  assert.equal(net.last.wishes.length, 3)
  isTold(made, 3)
  assert.equal(await waitMs(), tornMs, 'all had been told together')
})

test('where all share one position, a refused request is asked for one by one, and only who is at fault ends', async () => {
  const { net, clock, subscribe, told } = await clientOf({ kinds: 'sse' })
  subscribe('a', [token(1)])
  subscribe('b', [token(1)])
  subscribe('c', [token(1)])
  await clock.advance(0)
  const asked = () => net.last.wishes.map(({ subject }) => subject)
  net.last.handlers.closed(refused('no_route', 0, true))
  await clock.advance(0)
  assert.deepEqual(asked(), ['a'])
  net.last.handlers.position(token(2))
  await clock.advance(0)
  assert.deepEqual(asked(), ['b'])
  net.last.handlers.closed(refused('no_route', 0, true))
  await clock.advance(0)
  assert.deepEqual(asked(), ['c'])
  net.last.handlers.position(token(2))
  await clock.advance(0)
  assert.deepEqual(asked(), ['a', 'c'])
  assert.deepEqual(told, { a: [], b: ['closed no_route'], c: [] })
  net.last.handlers.closed(refused('bad_request', 0, true))
  await clock.advance(0)
  assert.deepEqual(told, { a: ['closed bad_request'], b: ['closed no_route'], c: ['closed bad_request'] })
})

test("a proxy's refusal is no gateway's while there is another way", async () => {
  const { net, clock, subscribe, told } = await clientOf({ kinds: 'sse poll' })
  subscribe('a')
  await clock.advance(0)
  for (let i = 0; i < 3; i++) {
    net.last.handlers.closed(refused('http_404', 0, true))
    await clock.advance(1000)
  }
  assert.equal(net.last.transport, 'poll')
  const alone = await clientOf({ kinds: 'poll' })
  alone.subscribe('a')
  await alone.clock.advance(0)
  alone.net.last.handlers.closed(refused('http_404', 0, true))
  assert.deepEqual([told, alone.told], [{ a: [] }, { a: ['closed http_404'] }])
})

test('a device that is offline is not kept trying, and connects when it is online', async () => {
  const { net, clock, environment, states } = await live(['a'])
  environment.happens('offline')
  assert.deepEqual(net.last.asked, ['check'])
  net.last.handlers.closed(undefined)
  await clock.advance(60_000)
  assert.deepEqual([states.at(-1), net.opened.length], ['waiting offline', 1])
  environment.happens('online')
  await clock.advance(250)
  assert.equal(net.opened.length, 2)
})

test('a page that is seen again looks after its connection, or connects at once', async () => {
  const { net, clock, environment } = await live(['a'])
  environment.happens('hidden')
  environment.happens('visible')
  assert.deepEqual(net.last.asked, ['check'])
  net.last.handlers.closed(undefined)
  environment.happens('visible')
  await clock.advance(0)
  assert.equal(net.opened.length, 2)
})

test('a page that is hidden for as long as it was told lets go until it is seen', async () => {
  const { net, clock, environment, states } = await live(['a'], { hiddenMs: 5000 })
  environment.happens('hidden')
  await clock.advance(5000)
  assert.deepEqual([net.last.closed, states.at(-1)], [true, 'waiting hidden'])
  environment.happens('visible')
  await clock.advance(0)
  assert.deepEqual(net.last.wishes, [{ ref: 1, subject: 'a', after: [token(3)] }])
})

test('a connection that nobody uses is kept for the next subscription, and then closed', async () => {
  const { net, clock, subscribe, subscriptions, states } = await live(['a'])
  subscriptions[0]!.close()
  await clock.advance(4999)
  subscribe('b').close()
  assert.equal(net.last.closed, false)
  await clock.advance(5000)
  assert.deepEqual([net.last.closed, states.at(-1)], [true, 'waiting idle'])
})

test('a position that can not be read closes the connection, not the program', async () => {
  const { net, states } = await live(['a'])
  net.last.handlers.frame({ kind: 'subscribed', ref: 1, after: 'nonsense' })
  assert.deepEqual([net.last.closed, states.at(-1)], [true, 'closed bad_token'])
})

test('once it is closed, nothing is told and nothing is opened', async () => {
  const { client, net, clock, told, subscribe } = await live(['a'])
  net.last.handlers.closed(undefined)
  await client.close()
  await clock.advance(100_000)
  net.last.handlers.frame(delivery('a', 0, [1]))
  assert.deepEqual(told, { a: ['closed done'] })
  assert.equal(net.opened.length, 1)
  assert.throws(() => subscribe('b'), { code: 'bad_request' })
})

test('who is told that it connects may close it, and nothing is opened', async () => {
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

test('who comes while it is told that it connects is served by that connection', async () => {
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

test('a subscription that was full before its position was known, and has room when it is, goes on', async () => {
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

test('the states of a client say what it does', async () => {
  const { net, clock, states } = await live(['a'])
  net.last.handlers.closed(undefined)
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
