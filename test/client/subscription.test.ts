import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client, type ClientOptions } from '../../src/client/client.ts'
import { ReceivedEvent } from '../../src/client/received.ts'
import { memoryStore, type PositionStore } from '../../src/client/store.ts'
import { ManualClock, settled } from '../model/clock.ts'
import { delivery, FakeEnvironment, FakeNet, refused, token } from './fake-transport.ts'

function clientOf(options: Partial<ClientOptions> = {}) {
  const net = new FakeNet()
  const clock = new ManualClock()
  const environment = new FakeEnvironment()
  const random = { next: () => 0.5 }
  const client = new Client(['http://one'], { ways: [net.transport('ws')], clock, random, environment, ...options })
  return { client, net, clock, environment }
}

/** A client with one subscription, live at offset 3. */
async function connected({ net, clock }: ReturnType<typeof clientOf>): Promise<void> {
  await clock.advance(0)
  net.last.handlers.frame({ kind: 'subscribed', ref: 1, after: token(3) })
  net.last.handlers.frame({ kind: 'live', ref: 1 })
}

test('events and gaps are iterated in order, and each counts when the next one is requested', async () => {
  const all = clientOf()
  const subscription = all.client.subscribe('a')
  await connected(all)
  const { frame } = all.net.last.handlers
  const gap = { kind: 'gap', stream: 's', partition: 0, from: 6, to: 7, reason: 'retention', certain: true } as const
  frame(delivery('a', 5, [1]))
  frame({ ...gap, after: token(8), refs: [1] })
  frame(delivery('a', 9, [1]))
  const seen: unknown[] = []
  for await (const item of subscription) {
    seen.push(item.kind === 'event' ? item.offset : [item.reason, item.from, item.to])
    seen.push([subscription.token, subscription.tokenInHand])
    if (seen.length === 6) subscription.close()
  }
  assert.deepEqual(seen, [5, [token(3), token(6)], ['retention', 6, 7], [token(6), token(8)], 9, [token(8), token(10)]])
  await settled()
  assert.equal(subscription.token, token(10))
})

test('the item at which the loop ended does not count as handled', async () => {
  const all = clientOf()
  const subscription = all.client.subscribe('a')
  await connected(all)
  all.net.last.handlers.frame(delivery('a', 5, [1]))
  for await (const _ of subscription) break
  await settled()
  assert.equal(subscription.token, token(3))
  assert.equal(subscription.state.name, 'closed')
})

test('a waiting loop ends with its subscription: quietly after close, with a throw after a refusal', async () => {
  const all = clientOf()
  const quiet = all.client.subscribe('a')
  const waiting = quiet[Symbol.asyncIterator]().next()
  quiet.close()
  assert.deepEqual(await waiting, { value: undefined, done: true })
  const refusedOne = all.client.subscribe('b')
  const throwing = refusedOne[Symbol.asyncIterator]().next()
  await all.clock.advance(0)
  all.net.last.handlers.frame({
    kind: 'error',
    ref: 1,
    code: 'no_route',
    message: 'none',
    retry: 'no',
    retryAfterMs: 0,
  })
  await assert.rejects(throwing, { name: 'RefusedError', code: 'no_route', message: 'none' })
  assert.equal((await refusedOne.closed).code, 'no_route')
})

test('a slow subscription detaches, and resumes where it was once it has drained', async () => {
  const all = clientOf({ inbox: { maxEvents: 4, maxBytes: 1_000_000 } })
  const subscription = all.client.subscribe('a')
  await connected(all)
  const { frame } = all.net.last.handlers
  for (let offset = 3; offset < 20; offset++) frame(delivery('a', offset))
  assert.deepEqual(all.net.last.asked, [1])
  assert.deepEqual(subscription.state.name === 'waiting' && subscription.state.reason.code, 'slow')
  const seen: number[] = []
  for await (const item of subscription) {
    if (item.kind === 'event') seen.push(item.offset)
    const again = all.net.last.asked[1]
    if (again === undefined) continue
    assert.deepEqual(again, { ref: 2, subject: 'a', after: [token(8)] })
    break
  }
  assert.deepEqual(seen, [3, 4, 5, 6, 7])
})

test('handlers are called one after the other, and one that fails ends its subscription with the error', async () => {
  const all = clientOf()
  const told: unknown[] = []
  const subscription = all.client.subscribe('a', {
    onEvent: async ({ offset }) => {
      told.push(offset)
      await Promise.resolve()
      if (offset === 4) throw new Error('broken')
    },
    onGap: () => {},
    onClosed: ({ code }, error) => told.push(code, error?.message),
  })
  await connected(all)
  for (const offset of [3, 4, 5]) all.net.last.handlers.frame(delivery('a', offset))
  await settled()
  assert.deepEqual(told, [3, 4, 'handler', 'broken'])
  assert.equal(subscription.token, token(4))
})

test('`onEvent` requires `onGap`, and a wrong subject, token or key is refused at once', () => {
  const { client } = clientOf({ store: memoryStore() })
  const onEvent = () => {}
  assert.throws(() => client.subscribe('a', { onEvent } as never), { code: 'bad_request', message: /onGap/ })
  assert.throws(() => client.subscribe('a..b'), { code: 'bad_subject' })
  assert.throws(() => client.subscribe('a', { after: 'nonsense' }), { code: 'bad_token' })
  client.subscribe('a')
  assert.throws(() => client.subscribe('a'), { code: 'bad_request', message: /key/ })
  client.subscribe('a', { key: 'another' })
  const iterated = client.subscribe('b', { onEvent, onGap: onEvent })
  assert.throws(() => iterated[Symbol.asyncIterator](), { code: 'bad_request' })
})

test('a signal closes a subscription or the client', async () => {
  const one = new AbortController()
  const whole = new AbortController()
  const all = clientOf({ signal: whole.signal })
  const first = all.client.subscribe('a', { signal: one.signal })
  const second = all.client.subscribe('b')
  one.abort()
  assert.deepEqual([first.state.name, second.state.name], ['closed', 'waiting'])
  whole.abort()
  assert.deepEqual([second.state.name, (await all.client.closed).code], ['closed', 'done'])
  assert.equal(all.client.state.name, 'closed')
  const never = clientOf().client.subscribe('a', { signal: AbortSignal.abort() })
  assert.equal(never.state.name, 'closed')
})

test('a stored position takes precedence over `after`', async () => {
  const store = memoryStore()
  await store.save('mine', token(7))
  const all = clientOf({ store })
  all.client.subscribe('a', { after: 'earliest', key: 'mine' })
  all.client.subscribe('b', { after: 'earliest' })
  await all.clock.advance(0)
  assert.deepEqual(
    all.net.last.wishes.map(({ after }) => after),
    [[token(7)], ['earliest']],
  )
})

test('positions are stored at intervals, when the page is left, and at the end', async () => {
  const store = memoryStore()
  const all = clientOf({ store, saveEveryMs: 1000 })
  all.client.subscribe('a', { onEvent: () => {}, onGap: () => {} })
  await connected(all)
  const give = (offset: number) => all.net.last.handlers.frame(delivery('a', offset))
  give(5)
  await all.clock.advance(999)
  assert.equal(store.load('a'), undefined)
  await all.clock.advance(1)
  assert.equal(store.load('a'), token(6))
  give(6)
  all.environment.happens('leaving')
  assert.equal(store.load('a'), token(7))
  give(7)
  await all.client.close()
  assert.equal(store.load('a'), token(8))
})

test('a key whose position is stored is free again once its subscription is closed', async () => {
  const { client } = clientOf({ store: memoryStore() })
  const handlers = { onEvent: () => {}, onGap: () => {} }
  const first = client.subscribe('a', handlers)
  assert.throws(() => client.subscribe('a', handlers), { code: 'bad_request' })
  first.close()
  const second = client.subscribe('a', handlers)
  assert.notEqual(second.state.name, 'closed')
})

test('an asynchronous store saves one position at a time, and its failures are reported', async () => {
  const saves: string[] = []
  let fails = true
  let open = 0
  const store: PositionStore = {
    load: () => Promise.resolve(token(4)),
    async save(key, text) {
      assert.equal(++open, 1)
      await settled()
      open--
      saves.push(`${key} ${text}`)
      if (fails) throw new Error('disk full')
    },
  }
  const told: unknown[] = []
  const all = clientOf({ store, saveEveryMs: 10, onStoreError: (error) => told.push(String(error)) })
  all.client.subscribe('a', { onEvent: () => {}, onGap: () => {} })
  await settled()
  await connected(all)
  assert.deepEqual(all.net.last.wishes[0]!.after, [token(4)])
  await all.clock.advance(10)
  await settled()
  fails = false
  all.net.last.handlers.frame(delivery('a', 5))
  await all.client.close()
  assert.deepEqual([saves, told], [[`a ${token(3)}`, `a ${token(6)}`], ['Error: disk full']])
})

test('a position that moves during a save is stored before the client is closed', async () => {
  const tokens = new Map<string, string>()
  const store: PositionStore = {
    load: () => undefined,
    async save(key, text) {
      await settled()
      tokens.set(key, text)
    },
  }
  const all = clientOf({ store, saveEveryMs: 1000 })
  const give = (offset: number) => all.net.last.handlers.frame(delivery('a', offset))
  all.client.subscribe('a', { onEvent: () => {}, onGap: () => {} })
  await settled()
  await connected(all)
  give(5)
  all.environment.happens('hidden')
  give(6)
  await all.client.close()
  assert.equal(tokens.get('a'), token(7))
})

test('if one position fails to save, the others are stored, and only then a subscription is disposed of', async () => {
  const tokens = new Map<string, string>()
  const store: PositionStore = {
    load: () => undefined,
    async save(key, text) {
      await settled()
      if (key === 'a') throw new Error('too long')
      tokens.set(key, text)
    },
  }
  const told: unknown[] = []
  const all = clientOf({ store, saveEveryMs: 1000, onStoreError: (error) => told.push(String(error)) })
  const handlers = { onEvent: () => {}, onGap: () => {} }
  all.client.subscribe('a', handlers)
  const last = all.client.subscribe('b', handlers)
  await settled()
  await connected(all)
  const { frame } = all.net.last.handlers
  frame({ kind: 'subscribed', ref: 2, after: token(3) })
  frame(delivery('a', 5, [1]))
  frame(delivery('b', 6, [2]))
  await last[Symbol.asyncDispose]()
  assert.deepEqual([told, tokens.get('b')], [['Error: too long'], token(7)])
})

test('a store that fails to load ends the subscription, because starting elsewhere could lose events', async () => {
  for (const load of [
    () => Promise.reject(new Error('gone')),
    () => {
      throw new Error('gone')
    },
    () => 'damaged',
  ]) {
    const { client } = clientOf({ store: { load, save() {} } })
    const subscription = client.subscribe('a')
    const reason = await subscription.closed
    assert.equal(reason.code, 'store')
    assert.match(reason.message, /"a".*(gone|damaged)/)
  }
})

test('states of a subscription come in order with its events', async () => {
  const all = clientOf()
  const told: unknown[] = []
  all.client.subscribe('a', {
    onEvent: ({ offset }) => told.push(offset),
    onGap: () => {},
    onState: ({ name }) => told.push(name),
    onClosed: () => {},
  })
  await all.clock.advance(0)
  const { frame, closed } = all.net.last.handlers
  frame({ kind: 'subscribed', ref: 1, after: token(3) })
  frame(delivery('a', 3, [1]))
  frame({ kind: 'live', ref: 1 })
  closed(refused('shutting_down', 10))
  assert.deepEqual(told, ['connecting', 'catching-up', 3, 'live', 'waiting'])
})

test('items requested before the previous ones arrive come in order, and the last one is in hand', async () => {
  const all = clientOf()
  const subscription = all.client.subscribe('a')
  await connected(all)
  const items = subscription[Symbol.asyncIterator]()
  for (const isEarly of [true, false]) {
    const offsets = isEarly ? [5, 6, 7] : [8, 9, 10]
    const give = () => {
      for (const offset of offsets) all.net.last.handlers.frame(delivery('a', offset, [1]))
    }
    if (!isEarly) give()
    const asked = Promise.all(offsets.map(() => items.next()))
    if (isEarly) give()
    const given = await asked
    assert.deepEqual(
      given.map(({ value }) => value?.kind === 'event' && value.offset),
      offsets,
    )
    const last = offsets.at(-1)!
    assert.deepEqual([subscription.token, subscription.tokenInHand], [token(last), token(last + 1)])
  }
  await items.return?.()
})

test('a byte order mark is part of the text, but not of JSON', async () => {
  const { event, ...rest } = delivery('a', 5)
  const received = new ReceivedEvent({
    ...rest,
    event: { ...event, data: new TextEncoder().encode('\ufeff{"open":true}') },
  })
  assert.deepEqual([received.text(), received.json()], ['\ufeff{"open":true}', { open: true }])
})

test('an event returns its data as text and as JSON', async () => {
  const all = clientOf()
  const subscription = all.client.subscribe<{ open: boolean }>('a')
  await connected(all)
  const frame = delivery('a', 5, [1])
  const data = new TextEncoder().encode('{"open":true}')
  all.net.last.handlers.frame({ ...frame, event: { ...frame.event, data } })
  for await (const item of subscription) {
    assert.ok(item.kind === 'event')
    assert.deepEqual([item.text(), item.json().open, item.subject, item.after], ['{"open":true}', true, 'a', token(6)])
    break
  }
})
