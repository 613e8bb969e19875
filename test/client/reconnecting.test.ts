import assert from 'node:assert/strict'
import { test } from 'node:test'
import { clientOf, live } from './clients.ts'
import { delivery, refused, token } from './fake-transport.ts'

const limits = { maxFrameBytes: 1, maxEventBytes: 1, maxSubjectBytes: 1, maxSubscriptions: 1 }

test('after a loss it reconnects with back-off, at the positions that each subscription has reached', async () => {
  const { net, clock, states } = await live(['a', 'b'])
  net.last.handlers.frame(delivery('a', 7, [1]))
  net.last.handlers.closed(refused('lost'))
  assert.equal(states.at(-1), 'waiting lost 125')
  await clock.advance(124)
  assert.equal(net.opened.length, 1)
  await clock.advance(1)
  assert.deepEqual(
    net.last.wishes.map(({ after }) => after),
    [[token(8)], [token(3)]],
  )
})

test('it waits as long as the gateway requested, whatever happens meanwhile', async () => {
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

for (const kinds of ['ws', 'sse']) {
  test(`over ${kinds}, consecutive failures wait longer, also of connections that served, until one has lasted 5 s`, async () => {
    const { net, clock, states, subscribe } = await clientOf({ kinds })
    subscribe('a', [token(3)])
    await clock.advance(0)
    const works = () => {
      if (kinds === 'sse') net.last.handlers.position(token(3))
      else net.last.handlers.frame({ kind: 'subscribed', ref: 1, after: token(3) })
      net.last.handlers.frame({ kind: 'live', ref: 0 })
    }
    const failures = ['lost', 'overloaded', 'lost', 'shutting_down']
    for (const [i, failure] of failures.entries()) {
      if (i > 0) works()
      await clock.advance(4999)
      net.last.handlers.closed(refused(failure))
      assert.equal(states.at(-1), `waiting ${failure} ${125 * 2 ** i}`)
      await clock.advance(125 * 2 ** i)
    }
    works()
    await clock.advance(5000)
    net.last.handlers.closed(refused('lost'))
    assert.equal(states.at(-1), 'waiting lost 125')
  })
}

test('each loss moves to the next gateway', async () => {
  const { net, clock } = await live(['a'], { urls: ['http://one', 'http://two'] })
  for (let i = 0; i < 3; i++) {
    net.last.handlers.closed(refused('lost'))
    await clock.advance(10_000)
  }
  assert.deepEqual(
    net.opened.map(({ url }) => url),
    ['http://one', 'http://two', 'http://one', 'http://two'],
  )
})

test('three fruitless attempts move to the next transport, and the first one is tried again beside it', async () => {
  const { net, clock, subscribe, told } = await clientOf({ kinds: 'ws sse' })
  subscribe('a')
  await clock.advance(0)
  for (let i = 0; i < 3; i++) {
    net.last.handlers.closed(refused('lost'))
    await clock.advance(1000)
  }
  const sse = net.last
  assert.equal(sse.transport, 'sse')
  sse.handlers.position(token(4))
  sse.handlers.frame({ kind: 'live', ref: 0 })
  await clock.advance(10_000)
  assert.deepEqual([net.last.transport, net.last.wishes, sse.closed], ['ws', [], false])
  net.last.handlers.closed(refused('lost'))
  sse.handlers.frame({ ...delivery('a', 6), stream: 'events', after: '' })
  sse.handlers.position(token(7))
  await clock.advance(20_000)
  net.last.handlers.frame({ kind: 'welcome', gateway: 'g', version: '1', limits, heartbeatMs: 1, nowUs: 1 })
  assert.equal(sse.closed, true)
  assert.deepEqual(net.last.wishes, [{ ref: 1, subject: 'a', after: [token(7)] }])
  assert.deepEqual(told, { a: [6] })
})

test('a better transport without an answer is tried again after twice the time, not sooner', async () => {
  const { net, clock, subscribe } = await clientOf({ kinds: 'ws sse' })
  subscribe('a')
  await clock.advance(0)
  for (let i = 0; i < 3; i++) {
    net.last.handlers.closed(refused('lost'))
    await clock.advance(1000)
  }
  net.last.handlers.position(token(4))
  await clock.advance(60_000)
  assert.equal(net.last.transport, 'sse')
  // The better transport might not deliver the missed events.
  net.last.handlers.frame({ kind: 'live', ref: 0 })
  for (const ms of [10_000, 20_000, 40_000]) {
    const before = net.opened.length
    await clock.advance(ms - 1)
    assert.equal(net.opened.length, before)
    await clock.advance(1)
    assert.equal(net.opened.length, before + 1)
    net.last.handlers.closed(refused('lost'))
  }
})

test('a transport that delivers something is kept; one that delivers only its start position is not', async () => {
  const welcome = { kind: 'welcome', gateway: 'g', version: '1', limits, heartbeatMs: 1, nowUs: 1 } as const
  const error = { kind: 'error', code: 'overloaded', message: '', retry: 'later', retryAfterMs: 0 } as const
  for (const frame of [
    delivery('a', 3, [1]),
    { kind: 'live', ref: 1 } as const,
    { kind: 'pong', t: 0, nowUs: 0, after: '' } as const,
    { ...error, ref: 1 },
    error,
    undefined,
  ]) {
    const { net, clock } = await live(['a'], { kinds: 'ws sse' })
    net.last.handlers.closed(refused('lost'))
    await clock.advance(1000)
    for (let i = 0; i < 3; i++) {
      net.last.handlers.frame(welcome)
      net.last.handlers.frame({ kind: 'subscribed', ref: 1, after: token(3) })
      if (frame !== undefined) net.last.handlers.frame(frame)
      net.last.handlers.closed(refused('lost'))
      await clock.advance(10_000)
    }
    assert.equal(net.last.transport, frame === undefined ? 'sse' : 'ws', frame?.kind)
  }
})

test('attempts without data for 10 s move to the next transport', async () => {
  const { net, clock, subscribe } = await clientOf({ kinds: 'ws sse poll', urls: ['http://one'] })
  subscribe('a')
  await clock.advance(0)
  // A network that swallows handshakes, and a proxy that holds streams back.
  for (const transport of ['ws', 'sse']) {
    assert.equal(net.last.transport, transport)
    await clock.advance(10_000)
    net.last.handlers.closed(refused('lost'))
    await clock.advance(1000)
  }
  assert.equal(net.last.transport, 'poll')
})

test('a better transport that opens and delivers nothing is tried less and less often', async () => {
  const { net, clock, subscribe } = await clientOf({ kinds: 'ws sse' })
  subscribe('a')
  await clock.advance(0)
  const works = () => {
    net.last.handlers.position(token(4))
    net.last.handlers.frame({ kind: 'live', ref: 0 })
  }
  const opensInVain = async () => {
    assert.equal(net.last.transport, 'ws')
    net.last.handlers.frame({ kind: 'welcome', gateway: 'g', version: '1', limits, heartbeatMs: 1, nowUs: 1 })
    await clock.advance(10_000)
    net.last.handlers.closed(refused('lost'))
    await clock.advance(1000)
    assert.equal(net.last.transport, 'sse')
  }
  await opensInVain()
  for (const ms of [10_000, 20_000, 40_000]) {
    works()
    await clock.advance(ms - 1)
    assert.equal(net.last.transport, 'sse')
    await clock.advance(1)
    net.last.handlers.frame({ kind: 'welcome', gateway: 'g', version: '1', limits, heartbeatMs: 1, nowUs: 1 })
    await opensInVain()
  }
})

test("a refusal by a proxy is not a gateway's while there is another way", async () => {
  const { net, clock, subscribe, told } = await clientOf({ kinds: 'sse poll' })
  subscribe('a')
  await clock.advance(0)
  for (let i = 0; i < 3; i++) {
    net.last.handlers.closed(refused('http_404', 0, 'no'))
    await clock.advance(1000)
  }
  assert.equal(net.last.transport, 'poll')
  const alone = await clientOf({ kinds: 'poll' })
  alone.subscribe('a')
  await alone.clock.advance(0)
  alone.net.last.handlers.closed(refused('http_404', 0, 'no'))
  assert.deepEqual([told, alone.told], [{ a: [] }, { a: ['closed http_404'] }])
})

test('an offline device makes no attempts, and connects once it is online', async () => {
  const { net, clock, environment, states } = await live(['a'])
  environment.happens('offline')
  assert.deepEqual(net.last.asked, ['check'])
  net.last.handlers.closed(refused('lost'))
  await clock.advance(60_000)
  assert.deepEqual([states.at(-1), net.opened.length], ['waiting offline', 1])
  environment.happens('online')
  await clock.advance(250)
  assert.equal(net.opened.length, 2)
})

test('a page that becomes visible again checks its connection, or connects at once', async () => {
  const { net, clock, environment } = await live(['a'])
  environment.happens('hidden')
  environment.happens('visible')
  assert.deepEqual(net.last.asked, ['check'])
  net.last.handlers.closed(refused('lost'))
  environment.happens('visible')
  await clock.advance(0)
  assert.equal(net.opened.length, 2)
})

test('a page hidden for `hiddenMs` closes its connection until it is seen', async () => {
  const { net, clock, environment, states } = await live(['a'], { hiddenMs: 5000 })
  environment.happens('hidden')
  await clock.advance(5000)
  assert.deepEqual([net.last.closed, states.at(-1)], [true, 'waiting hidden'])
  environment.happens('visible')
  await clock.advance(0)
  assert.deepEqual(net.last.wishes, [{ ref: 1, subject: 'a', after: [token(3)] }])
})
