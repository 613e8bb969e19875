import assert from 'node:assert/strict'
import test from 'node:test'
import type { SubscribeOptions } from '../../src/wire/frames.ts'
import { ModelBroker } from '../model/broker.ts'
import { partitionOf } from '../simulation/truth.ts'
import { settled, TestGateway } from './harness.ts'

test('what a policy leaves out is a gap with its reason and count', async () => {
  const gateway = await TestGateway.start()
  const before = gateway.stream.partitions[0]!.tokenAt(0)
  gateway.publish('a', '1', { ttlMs: 1000 })
  gateway.publish('a', '2', { collapseKey: 'score' })
  gateway.publish('b', 'other')
  gateway.publish('a', '3', { collapseKey: 'score' })
  gateway.publish('a', '4', { collapseKey: 'weather' })
  gateway.publish('a', '5', { ttlMs: 5000 })
  await gateway.clock.advance(2000)
  const shown = async (options: SubscribeOptions) => {
    const client = gateway.connect()
    client.ask(1, 'a', options, before)
    await settled()
    return client.frames.slice(2).flatMap(({ delivery, gap }) => {
      if (delivery !== undefined) return [delivery.event.text]
      return gap === undefined ? [] : [`${gap.reason} ${gap.from}-${gap.to}: ${gap.n} ${gap.certain} ${gap.refs}`]
    })
  }
  assert.deepEqual(await shown({}), ['ttl 0-0: 1 true 1', 'collapsed 1-1: 1 true 1', '3', '4', '5'])
  assert.deepEqual(await shown({ policy: 'latest' }), ['ttl 0-0: 1 true 1', 'latest 1-4: 3 true 1', '5'])
})

test('a session with several subscriptions says whom an event was left out for, and one that wants all gets all', async () => {
  const gateway = await TestGateway.start()
  const client = gateway.connect()
  client.ask(1, 'a', { policy: 'latest' })
  client.ask(2, 'b', { policy: 'latest' })
  client.ask(3, '*', {})
  client.ask(4, 'c', { policy: 'latest' })
  client.room = 1
  for (const subject of ['a', 'a', 'b', 'b', 'a']) gateway.publish(subject, subject)
  client.session.receive({ kind: 'unsubscribe', ref: 3 })
  client.drain()
  await settled()
  const gaps = client.gaps.map(({ refs, from, to, n, reason }) => ({ refs, from, to, n, reason }))
  assert.deepEqual(gaps, [
    { refs: [1], from: 1, to: 1, n: 1, reason: 'latest' },
    { refs: [2], from: 2, to: 2, n: 1, reason: 'latest' },
  ])
  assert.deepEqual(client.texts, ['a', 'b', 'a'])

  client.ask(5, '*', {})
  client.room = 1
  for (const subject of ['c', 'c', 'c']) gateway.publish(subject, subject)
  client.drain()
  await settled()
  assert.deepEqual(client.texts.slice(3), ['c', 'c', 'c'])
})

test('`last` brings the last events of each subject, in order, then goes on live', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), {}, { entries: 1024, payloadBytes: 1024 })
  for (let i = 0; i < 40; i++) gateway.publish(i % 10 === 0 ? 'b.rare' : 'b.often', `${i}`)
  const { window } = gateway.stream.partitions[0]!
  assert.ok(window.tail > 10 && window.tail < 30, `payloads from ${window.tail}`)
  const exact = gateway.connect()
  exact.ask(1, 'b.rare', { last: 3 })
  const pattern = gateway.connect()
  pattern.ask(1, 'b.*', { last: 1 })
  const poll = gateway.connect('poll')
  poll.session.start(['b.rare', 'b.often', 'b.none'], [], { last: 1 })
  for (let i = 0; i < 3; i++) await settled()
  assert.deepEqual(exact.texts, ['10', '20', '30'], 'the first of them is read back: only its index entry was left')
  assert.deepEqual(exact.gaps, [])
  assert.deepEqual(pattern.texts, ['30', '39'])
  assert.deepEqual(poll.texts, ['30', '39'])
  gateway.publish('b.rare', 'live')
  assert.deepEqual(exact.texts.slice(3), ['live'])
  assert.deepEqual(pattern.texts.slice(2), ['live'])
})

test('what `last` asks for by number is given whole, also to who wants the `latest` only', async () => {
  const gateway = await TestGateway.start()
  for (const text of ['1', '2', '3']) gateway.publish('a', text)
  const client = gateway.connect()
  client.ask(1, 'a', { last: 2, policy: 'latest' })
  await settled()
  assert.deepEqual([client.texts, client.gaps], [['2', '3'], []])
})

test('what `last` did not ask for is not given either where the socket refuses to take what was left out', async () => {
  const gateway = await TestGateway.start()
  gateway.publish('a', 'over', { ttlMs: 1 })
  gateway.publish('b', 'not asked for')
  gateway.publish('b', 'over too', { ttlMs: 1 })
  await gateway.clock.advance(10_000)
  const poll = gateway.connect('poll')
  poll.refuses = true
  poll.room = 0
  poll.session.start(['a', 'b'], [], { last: 1 })
  gateway.publish('a', 'over as well', { ttlMs: 1 })
  await settled()
  poll.drain()
  await settled()
  assert.deepEqual(poll.texts, [])
  assert.deepEqual(
    poll.gaps.map(({ reason, from, to, n }) => [reason, from, to, n]),
    [['ttl', 0, 3, 3]],
  )
})

test('`last` tells how far back it was looked where there may be more', async () => {
  const broker = new ModelBroker('events', 1)
  await TestGateway.start(broker).then((first) => {
    for (let i = 0; i < 5; i++) first.publish('a', `${i}`)
  })
  const gateway = await TestGateway.start(broker)
  gateway.publish('a', 'new')
  const client = gateway.connect()
  client.ask(1, 'a', { last: 2 })
  await settled()
  const [gap] = client.gaps
  assert.deepEqual([gap.reason, gap.from, gap.to, gap.certain, gap.refs], ['budget', 0, 4, false, [1]])
  assert.deepEqual(client.texts, ['new'])
})

test('`last` for several subjects of one request tells of a partition only what concerns those that are in it', async () => {
  const broker = new ModelBroker('events', 2)
  const inPartition = (partition: number) =>
    ['a', 'b', 'c', 'd', 'e'].find((each) => partitionOf(each, 2) === partition)!
  const [found, missing] = [inPartition(0), inPartition(1)]
  await TestGateway.start(broker).then((first) => {
    for (const subject of [found, missing]) first.publish(subject, 'old')
  })
  const gateway = await TestGateway.start(broker)
  gateway.publish(found, 'new')
  const poll = gateway.connect('poll')
  poll.session.start([found, missing], [], { last: 1 })
  await settled()
  assert.deepEqual(
    poll.gaps.map(({ reason, partition }) => [reason, partition]),
    [['budget', 1]],
  )
  assert.deepEqual(poll.texts, ['new'])
})

test('`last` for several of one request tells down to where it was looked for each of them', async () => {
  const broker = new ModelBroker('events', 1)
  const ask = async (gateway: TestGateway) => {
    const poll = gateway.connect('poll')
    poll.session.start(['none', 'b.*'], [], { last: 100 })
    for (let round = 0; round < 3; round++) await settled()
    return poll.gaps.map(({ reason, from, to }) => [reason, from, to])
  }
  const first = await TestGateway.start(broker, {}, { entries: 1024, payloadBytes: 1024 })
  for (let i = 0; i < 40; i++) first.publish('b.often', `${i}`)
  const { window } = first.stream.partitions[0]!
  assert.deepEqual([window.indexTail, window.tail > 0], [0, true])
  assert.deepEqual(await ask(first), [['budget', 0, window.tail - 1]], 'the index reaches back to the first event')

  const second = await TestGateway.start(broker, {}, { entries: 1024, payloadBytes: 1024 })
  for (let i = 0; i < 40; i++) second.publish('b.often', `${i}`)
  const { indexTail, tail } = second.stream.partitions[0]!.window
  assert.ok(indexTail > 0 && indexTail < tail)
  assert.deepEqual(await ask(second), [['budget', 0, tail - 1]], 'neither reaches back so far')
})

test('`last` tells nothing where the index reaches back to the first event, though the payloads do not', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), {}, { entries: 64, payloadBytes: 4096 })
  const expected = Array.from({ length: 40 }, (_, i) => `${i}`.padEnd(300, '.'))
  for (const text of expected) gateway.publish('a', text)
  assert.ok(gateway.stream.partitions[0]!.window.tail > 0)
  const client = gateway.connect()
  client.ask(1, 'a', { last: 100 })
  for (let round = 0; round < 10; round++) await settled()
  assert.deepEqual([client.gaps, client.texts], [[], expected])
})

test('`last` beside a position is refused: the position says where to start', async () => {
  const gateway = await TestGateway.start()
  const client = gateway.connect()
  client.ask(1, 'a', { last: 1 }, 'earliest')
  assert.equal(client.frames[1]!.error.code, 'bad_request')
  assert.throws(() => gateway.connect('poll').session.start(['a'], ['earliest'], { last: 1 }), { code: 'bad_request' })
})
