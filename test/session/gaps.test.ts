import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeToken, isGrowth } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, type TestClient, TestGateway } from './harness.ts'

test('`earliest` starts at the first retained event, without a gap', async () => {
  const gateway = await TestGateway.start()
  for (let i = 0; i < 100; i++) gateway.publish('a', `${i}`)
  gateway.broker.retain(0, 90)
  const client = gateway.connect()
  client.subscribe(1, 'a', 'earliest')
  await settled()
  assert.deepEqual(client.texts, ['90', '91', '92', '93', '94', '95', '96', '97', '98', '99'])
  assert.deepEqual(client.gaps, [])
})

test('a position below the first retained event is a gap with its bounds, before the events that follow', async () => {
  const gateway = await TestGateway.start()
  const first = gateway.connect()
  first.subscribe(1, 'a')
  for (let i = 0; i < 100; i++) gateway.publish('a', `${i}`)
  gateway.broker.retain(0, 20)
  const client = gateway.connect()
  client.subscribe(1, 'a', first.deliveries[4].after)
  await settled()
  assert.equal(client.gaps.length, 1)
  const { reason, from, to, refs, certain } = client.gaps[0]
  assert.deepEqual(
    { reason, from, to, refs, certain },
    { reason: 'retention', from: 5, to: 19, refs: [1], certain: false },
  )
  assert.equal(client.texts[0], '20')
  assert.equal(client.texts.length, 80)
  assert.ok(client.kinds.indexOf('gap') < client.kinds.indexOf('delivery'))
})

test('a stream that was created again is a gap, and its events follow from the first', async () => {
  const gateway = await TestGateway.start()
  const live = gateway.connect()
  live.subscribe(1, 'a')
  gateway.publish('a', 'old')
  gateway.broker.recreate()
  gateway.publish('a', 'new')
  await settled()
  const late = gateway.connect()
  late.subscribe(1, 'a', live.deliveries[0].after)
  await settled()
  assert.deepEqual(live.texts, ['old', 'new'])
  assert.deepEqual(late.texts, ['new'])
  for (const client of [live, late]) {
    assert.deepEqual(
      client.gaps.map(({ reason, from }) => [reason, from]),
      [['recreated', 1]],
    )
    const [growth] = decodeToken(client.gaps[0].after).filter(isGrowth)
    assert.equal(growth?.offset, 1, 'how many partitions there are')
  }
})

test('a rewritten log is a gap from where the histories diverge', async () => {
  const gateway = await TestGateway.start()
  const live = gateway.connect()
  live.subscribe(1, 'a')
  for (let i = 0; i < 5; i++) gateway.publish('a', `${i}`)
  gateway.broker.rewrite(0, 3)
  await settled()
  gateway.publish('a', 'three again')
  await settled()
  assert.deepEqual(live.texts, ['0', '1', '2', '3', '4', 'three again'])
  assert.deepEqual(
    live.gaps.map(({ reason, from, to }) => [reason, from, to]),
    [['rewritten', 3, 4]],
  )
  const late = gateway.connect()
  late.subscribe(1, 'a', live.deliveries[4].after)
  await settled()
  assert.deepEqual(
    late.gaps.map(({ reason, from, to }) => [reason, from, to]),
    [['rewritten', 3, 4]],
  )
  assert.deepEqual(late.texts, ['three again'])
})

test('a token ahead of this gateway waits for its offset, and gets a gap when the broker says that the log ends below', async () => {
  const gateway = await TestGateway.start()
  const first = gateway.connect()
  first.subscribe(1, 'a')
  for (let i = 0; i < 10; i++) gateway.publish('a', `${i}`)
  const { after } = first.deliveries[9]
  const behind = await TestGateway.start(new ModelBroker('events', 1))
  const client = behind.connect()
  client.subscribe(1, 'a', after)
  for (let i = 0; i < 12; i++) behind.publish('a', `${i}`)
  await settled()
  assert.deepEqual(client.texts, ['10', '11'])

  const cut = await TestGateway.start(new ModelBroker('events', 1))
  const told = cut.connect()
  told.subscribe(1, 'a', after)
  cut.publish('a', 'x')
  await settled()
  assert.deepEqual(told.gaps, [])
  await cut.clock.advance(5000)
  assert.deepEqual(
    told.gaps.map(({ reason, from, to }) => [reason, from, to]),
    [['rewritten', 1, 9]],
  )
  cut.publish('a', 'y')
  await settled()
  assert.deepEqual(told.texts, ['y'])
})

test('a partition that no token names is a gap, then its head', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 3))
  for (let i = 0; i < 30; i++) gateway.publish(`a.${i}`, `${i}`)
  const first = gateway.connect()
  first.subscribe(1, 'a.1')
  gateway.publish('a.1', 'named')
  const client = gateway.connect()
  client.subscribe(1, '>', first.deliveries[0].after)
  await settled()
  assert.deepEqual(
    client.gaps.map(({ reason }) => reason),
    ['unnamed', 'unnamed'],
  )
  assert.deepEqual(client.texts, [])
})

test('a token never covers a gap that was not sent', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1))
  const first = gateway.connect()
  first.subscribe(1, 'a')
  for (let i = 0; i < 100; i++) gateway.publish('a', `${i}`)
  gateway.broker.retain(0, 50)
  const client = gateway.connect('poll')
  client.session.start(['a'], [first.deliveries[4].after])
  await settled()
  const told = client.frames.findIndex((frame) => 'gap' in frame)
  assert.equal(told, 0)
  const cut = gateway.connect('poll')
  cut.room = 0
  cut.refuses = true
  cut.session.start(['a'], [first.deliveries[4].after])
  await settled()
  const again = gateway.connect('poll')
  again.session.start(['a'], [cut.session.token()])
  await settled()
  assert.equal(again.gaps[0].from, 5)
  assert.equal(again.texts[0], '50')
})

test('chunks of a deleted log are not used for the log that follows it', async () => {
  const gateway = await TestGateway.start()
  for (let i = 0; i < 200; i++) gateway.publish('a', `old ${i}`)
  const first = gateway.connect()
  first.subscribe(1, 'a', 'earliest')
  for (let i = 0; i < 10; i++) await settled()
  assert.equal(first.texts.length, 200)
  gateway.broker.recreate()
  for (let i = 0; i < 200; i++) gateway.publish('a', `new ${i}`)
  const second = gateway.connect()
  second.subscribe(1, 'a', 'earliest')
  for (let i = 0; i < 10; i++) await settled()
  assert.equal(second.texts.length, 200)
  assert.ok(second.texts.every((text) => text.startsWith('new')))
})

test('more partitions are a gap, and subjects go on where they are now', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1))
  const client = gateway.connect()
  client.subscribe(1, '>')
  gateway.publish('a.1', 'before')
  gateway.broker.grow(3)
  for (let i = 0; i < 12; i++) gateway.publish(`a.${i}`, `${i}`)
  await settled()
  assert.deepEqual(
    client.gaps.map(({ reason, partition }) => [reason, partition]),
    [
      ['repartitioned', 1],
      ['repartitioned', 2],
    ],
  )
  assert.deepEqual([...client.texts].sort(), ['before', ...Array.from({ length: 12 }, (_, i) => `${i}`)].sort())
})

test('a stream that is created again with another partition count is read whole', async () => {
  for (const [before, after] of [
    [1, 4],
    [4, 1],
  ] as const) {
    const gateway = await TestGateway.start(new ModelBroker('events', before))
    const clients = [gateway.connect(), gateway.connect(), gateway.connect('poll')]
    clients[0]!.subscribe(1, '>')
    clients[1]!.subscribe(1, 'a.1')
    clients[1]!.subscribe(2, 'a.7')
    clients[2]!.session.start(['a.*'], [])
    for (let i = 0; i < 12; i++) gateway.publish(`a.${i}`, `old ${i}`)
    gateway.broker.recreate(after)
    for (let i = 0; i < 12; i++) gateway.publish(`a.${i}`, `new ${i}`)
    await settled()
    const fresh = (client: TestClient) => client.texts.filter((text) => text.startsWith('new')).sort()
    const all = Array.from({ length: 12 }, (_, i) => `new ${i}`).sort()
    assert.deepEqual(clients.map(fresh), [all, ['new 1', 'new 7'], all], `${before} to ${after} partitions`)
    assert.equal(gateway.rejected.total, 0)
    for (const client of clients) assert.ok(client.gaps.length > 0)
    for (const client of clients) client.session.closed()
    for (const { hub, readers } of gateway.stream.partitions) assert.deepEqual([hub.size, readers.size], [0, 0])
  }
})

test('records read back before a rewrite are not delivered after it', async () => {
  const broker = new ModelBroker('events', 1)
  const writer = await TestGateway.start(broker)
  for (let i = 0; i < 20; i++) writer.publish('a', `old ${i}`)
  const gateway = await TestGateway.start(broker)
  const first = gateway.connect()
  first.subscribe(1, 'a', 'earliest')
  for (let i = 0; i < 10; i++) await settled()
  assert.equal(first.texts.length, 20)
  broker.rewrite(0, 10)
  for (let i = 0; i < 12; i++) gateway.publish('a', `new ${i}`)
  const second = gateway.connect()
  second.subscribe(1, 'a', 'earliest')
  for (let i = 0; i < 10; i++) await settled()
  const expected = [
    ...Array.from({ length: 10 }, (_, i) => `old ${i}`),
    ...Array.from({ length: 12 }, (_, i) => `new ${i}`),
  ]
  assert.deepEqual(second.texts, expected)
})

test('a subject that moves into a partition that is already read gets a gap, on every transport', async () => {
  for (const transport of ['websocket', 'sse', 'poll'] as const) {
    const gateway = await TestGateway.start(new ModelBroker('events', 2))
    const at = (subject: string, count: number) => gateway.routing.place(subject, () => count).partition
    const names = Array.from({ length: 100 }, (_, i) => `s.${i}`)
    const stays = names.find((name) => at(name, 2) === 0 && at(name, 3) === 0)!
    const moves = names.find((name) => at(name, 2) === 1 && at(name, 3) === 0)!
    const client = gateway.connect(transport)
    if (transport === 'websocket') {
      client.subscribe(1, stays)
      client.subscribe(2, moves)
    } else client.session.start([stays, moves], [])
    await settled()
    gateway.broker.grow(3)
    await settled()
    const told = JSON.stringify([client.frames, client.blocks])
    assert.match(told, /repartitioned/, transport)
    gateway.publish(moves, 'after the move')
    await settled()
    assert.match(JSON.stringify([client.frames, client.blocks]), /after the move/, transport)
  }
})
