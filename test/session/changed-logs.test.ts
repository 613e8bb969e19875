import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeToken, encodePosition, encodeToken, type Position } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, type TestClient, TestGateway } from './harness.ts'

/** Cases that the simulation found: positions while the log is replaced or repartitioned. */

const told = (client: TestClient) => client.gaps.map(({ refs, reason, from, to }) => [refs, reason, from, to])
const position = (gateway: TestGateway, offset: number, generation: number, partition = 0): Position => ({
  ...gateway.stream.partitions[partition]!.positionAt(offset),
  generation,
})

test('a position ahead of the head is checked again when the log grows past it under a later leader', async () => {
  const broker = new ModelBroker('events', 1)
  const gateway = await TestGateway.start(broker)
  for (let i = 0; i < 3; i++) gateway.publish('a', `${i}`)
  const client = gateway.connect()
  client.subscribe(1, 'a', encodePosition(position(gateway, 5, 0)))
  broker.epoch = 1
  for (let i = 3; i < 8; i++) gateway.publish('a', `other ${i}`)
  await settled()
  assert.deepEqual(told(client), [[[1], 'rewritten', 3, 4]])
  assert.deepEqual(client.texts, ['other 3', 'other 4', 'other 5', 'other 6', 'other 7'])
})

test('`subscribed` keeps the generation of a position ahead of the head', async () => {
  const gateway = await TestGateway.start()
  const client = gateway.connect()
  client.subscribe(1, 'a', encodePosition(position(gateway, 5, 7)))
  const subscribed = client.frames.find((frame) => 'subscribed' in frame)
  assert.deepEqual(decodeToken(subscribed?.subscribed.after)[0], position(gateway, 5, 7))
})

test('`subscribed` keeps positions of partitions that the subscription does not read', async () => {
  const gateway = await TestGateway.start()
  const client = gateway.connect()
  const later = { ...position(gateway, 4, 2), partition: 77 }
  client.subscribe(1, 'a', encodeToken([later]))
  const subscribed = client.frames.find((frame) => 'subscribed' in frame)
  assert.deepEqual(decodeToken(subscribed?.subscribed.after).at(-1), later)
})

test('a queued subscription learns of a rewrite and of a new log, and gets the gaps in its turn', async () => {
  for (const change of ['rewrite', 'recreate'] as const) {
    const broker = new ModelBroker('events', 1)
    const gateway = await TestGateway.start(broker)
    for (let i = 0; i < 10; i++) gateway.publish('a', `${i}`)
    const client = gateway.connect()
    client.room = 1
    for (const ref of [1, 2]) client.subscribe(ref, 'a', encodePosition(position(gateway, 8, 0)))
    if (change === 'rewrite') broker.rewrite(0, 5)
    else broker.recreate()
    for (let i = 0; i < 4; i++) gateway.publish('a', `new ${i}`)
    client.drain()
    await settled()
    const expected = change === 'rewrite' ? ['rewritten', 5] : ['recreated', 8]
    const named = told(client).map(([, reason, from]) => [reason, from])
    assert.deepEqual(new Set(client.gaps.flatMap(({ refs }) => refs ?? [1, 2])), new Set([1, 2]), change)
    for (const each of named) assert.deepEqual(each, expected, change)
    for (const ref of [1, 2]) {
      const texts = client.deliveries
        .filter(({ refs }) => refs === undefined || refs.includes(ref))
        .map(({ event }) => event.text)
      assert.deepEqual(texts, ['new 0', 'new 1', 'new 2', 'new 3'], `${change}, ref ${ref}`)
    }
  }
})

test('the first of two pending gaps leads to a position in the earlier log, so any gateway sends the second to a client that has only the first', async () => {
  for (const change of ['rewritten', 'recreated'] as const) {
    for (const transport of ['websocket', 'sse'] as const) {
      const broker = new ModelBroker('events', 1)
      const gateway = await TestGateway.start(broker)
      for (let i = 0; i < 100; i++) gateway.publish('a', `${i}`)
      const old = position(gateway, 36, 0)
      const client = gateway.connect(transport)
      client.room = transport === 'websocket' ? 1 : 0
      client.refuses = transport === 'sse'
      broker.away = true
      if (transport === 'websocket') client.ask(1, 'a', { last: 100 })
      else client.session.start(['a'], [], { last: 100 })
      await gateway.clock.advance(2100)
      broker.away = false
      if (change === 'rewritten') broker.rewrite(0, 10)
      else broker.recreate()
      gateway.publish('a', 'new')
      client.drain()
      await settled()
      const tokens =
        transport === 'websocket'
          ? client.gaps.filter(({ refs }) => refs?.[0] === 1).map(({ after }) => after)
          : client.stood
      assert.deepEqual(decodeToken(tokens[0]).slice(0, 1), [old], `${change}, ${transport}`)
      const again = gateway.connect()
      again.subscribe(1, 'a', tokens[0])
      await settled()
      assert.deepEqual(
        told(again)[0]?.slice(1, 3),
        [change, change === 'rewritten' ? 10 : 36],
        `${change}, ${transport}`,
      )
      assert.equal(again.texts.at(-1), 'new')
    }
  }
})

test('a growth that is reported after its log is gone says nothing about the partitions of the next log', async () => {
  const broker = new ModelBroker('events', 1)
  const gateway = await TestGateway.start(broker)
  gateway.publish('a', 'old')
  const client = gateway.connect()
  client.subscribe(1, '>')
  client.room = 1
  gateway.publish('a', 'fills the socket')
  broker.grow(2)
  const added = position(gateway, 0, -1, 1)
  broker.recreate()
  client.drain()
  await settled()
  const { after } = client.gaps.find(({ reason }) => reason === 'repartitioned')
  assert.deepEqual(decodeToken(after), [added])
  const again = gateway.connect()
  again.subscribe(1, '>', after)
  await settled()
  assert.deepEqual(
    again.gaps.map(({ reason, partition }) => [reason, partition]),
    [
      ['recreated', 0],
      ['recreated', 1],
    ],
  )
})

test('a subscription queued behind one that waits for the broker learns at once of changes to the log', async () => {
  const broker = new ModelBroker('events', 1)
  const gateway = await TestGateway.start(broker, {}, { entries: 16 })
  for (let i = 0; i < 100; i++) gateway.publish('a', `${i}`)
  broker.away = true
  const client = gateway.connect()
  client.subscribe(1, 'a', encodePosition(position(gateway, 1, 0)))
  client.subscribe(2, 'a', encodePosition(position(gateway, 98, 0)))
  client.subscribe(3, 'a', encodePosition(position(gateway, 10, 0)))
  await settled()
  broker.rewrite(0, 95)
  await settled()
  assert.deepEqual(client.texts, [], 'the first still waits')
  assert.deepEqual(
    client.gaps.flatMap(({ reason, refs, from }) => (refs === undefined ? [] : [[reason, refs, from]])),
    [['rewritten', [2], 95]],
  )
})

test('a subscription that catches up learns of a rewrite of records that others received, even after those have left', async () => {
  const broker = new ModelBroker('events', 1)
  const gateway = await TestGateway.start(broker)
  for (let i = 0; i < 10; i++) gateway.publish('a', `${i}`)
  const client = gateway.connect()
  client.subscribe(1, '*')
  client.room = 3
  client.subscribe(2, 'b', encodePosition(position(gateway, 8, 0)))
  for (const text of ['one', 'two']) gateway.publish('b', text)
  client.session.receive({ kind: 'unsubscribe', ref: 1 })
  broker.rewrite(0, 9)
  client.drain()
  await settled()
  assert.deepEqual(
    client.deliveries.map(({ refs, offset }) => [refs, offset]),
    [
      [undefined, 10],
      [undefined, 11],
    ],
  )
  assert.deepEqual(told(client), [[undefined, 'rewritten', 9, 11]])
  assert.deepEqual(client.kinds.slice(-3), ['unsubscribed', 'gap', 'live'])
})

test('a subscription becomes live even if the last partition that was catching up is gone', async () => {
  const broker = new ModelBroker('events', 3)
  const gateway = await TestGateway.start(broker)
  for (let i = 0; i < 30; i++) gateway.publish(`a.${i}`, `${i}`)
  broker.away = true
  const behind = [0, 1, 2].map((partition) =>
    position(gateway, partition === 2 ? 100 : gateway.stream.partitions[partition]!.window.head, 0, partition),
  )
  const client = gateway.connect()
  client.subscribe(1, '>', encodeToken(behind))
  await settled()
  assert.equal(client.kinds.includes('live'), false, 'partition 2 is waited for')
  broker.away = false
  broker.recreate(2)
  await settled()
  assert.deepEqual(
    client.kinds.filter((kind) => kind === 'live'),
    ['live'],
  )
})

test('a start found by the broker is right even if the partitions change meanwhile', async () => {
  const broker = new ModelBroker('events', 3)
  const gateway = await TestGateway.start(broker)
  const subject = movedBy(gateway, 3, 4)
  const client = gateway.connect()
  client.subscribe(1, subject, 'earliest')
  broker.grow(4)
  await settled()
  gateway.publish(subject, 'once')
  await settled()
  assert.deepEqual(client.texts, ['once'])
  assert.deepEqual(
    client.kinds.filter((kind) => kind === 'subscribed' || kind === 'live'),
    ['subscribed', 'live'],
  )
})

test('a client with an earlier token learns of a new partition, even while that is empty', async () => {
  const broker = new ModelBroker('events', 3)
  const gateway = await TestGateway.start(broker)
  const after = encodePosition(position(gateway, 0, -1))
  broker.grow(4)
  const client = gateway.connect()
  client.subscribe(1, movedTo(gateway, 3, 4), after)
  await settled()
  assert.deepEqual(told(client), [[[1], 'repartitioned', 0, undefined]])
})

test('a partition that another gateway knew of earlier resumes at the position of the token', async () => {
  const broker = new ModelBroker('events', 3)
  const gateway = await TestGateway.start(broker)
  const subject = movedTo(gateway, 3, 4)
  const client = gateway.connect('poll')
  // The hash of a partition that this gateway does not have yet is the stream's.
  const known = { ...position(gateway, 2, -1), partition: 3 }
  client.session.start([subject], [encodeToken([position(gateway, 0, -1), known])])
  await settled()
  broker.grow(4)
  for (let i = 0; i < 4; i++) gateway.publish(subject, `${i}`)
  await settled()
  assert.deepEqual(client.texts, ['2', '3'])
  const partitions = decodeToken(client.session.token()).map(({ partition }) => partition)
  assert.equal(new Set(partitions).size, partitions.length, 'each partition stands once in the token')
})

test('a partition that a subject returns to resumes at its head, wherever its token was earlier', async () => {
  const broker = new ModelBroker('events', 4)
  const gateway = await TestGateway.start(broker)
  const among = (subject: string, count: number) => gateway.routing.place(subject, () => count).partition!
  const subject = Array.from({ length: 1000 }, (_, i) => `a.${i}`).find((each) => {
    const [first, there, away, again] = [4, 5, 6, 7].map((count) => among(each, count))
    return there! < 4 && first !== there && away !== there && again === there
  })!
  const client = gateway.connect()
  const there = among(subject, 5)
  client.subscribe(
    1,
    subject,
    encodeToken([position(gateway, 0, -1, among(subject, 4)), position(gateway, 0, -1, there)]),
  )
  for (const count of [5, 6, 7]) {
    broker.grow(count)
    await settled()
    gateway.publish(subject, `of ${count}`)
    await settled()
  }
  assert.deepEqual(client.texts, ['of 5', 'of 6', 'of 7'])
})

test('a record that was in its new partition before this gateway knew of the growth is delivered to later clients', async () => {
  const broker = new ModelBroker('events', 3)
  const gateway = await TestGateway.start(broker)
  const subject = movedFrom(gateway, 3, 4, 3)
  const { partition } = gateway.routing.place(subject, () => 4)
  const { value } = recordOf(gateway, subject)
  broker.append(partition!, Buffer.from(subject), value)
  broker.end(partition!)
  broker.grow(4)
  const client = gateway.connect()
  client.subscribe(1, subject, encodePosition(position(gateway, 0, -1, partition)))
  await settled()
  assert.deepEqual(client.texts, ['early'])
})

test('a new log that begins with offsets without records has lost nothing, and clients below a real loss get its gap', async () => {
  for (const isLost of [false, true]) {
    const broker = new ModelBroker('events', 1)
    const gateway = await TestGateway.start(broker)
    const [client, further] = [gateway.connect(), gateway.connect()]
    client.subscribe(1, 'a')
    broker.recreate()
    further.subscribe(1, 'a', encodePosition(position(gateway, 2, -1)))
    const { end } = broker
    broker.end = () => {}
    broker.hole(0, 5)
    broker.end = end
    if (isLost) gateway.stream.lost(0, 0, 4, 'retention')
    gateway.publish('a', 'first')
    await settled()
    const losses = (from: number) => (isLost ? [['retention', from, 4]] : [])
    const reasons = ({ gaps }: TestClient) => gaps.map(({ reason, from, to }) => [reason, from, to])
    assert.deepEqual(reasons(client), [['recreated', 0, undefined], ...losses(0)])
    assert.deepEqual(reasons(further), losses(2))
    assert.deepEqual([client.texts, further.texts], [['first'], ['first']])
  }
})

test('no position is below the first record of a new log, even before it has one, and no loss is reported there', async () => {
  const broker = new ModelBroker('events', 1, 1)
  const gateway = await TestGateway.start(broker, {}, { entries: 8 })
  for (let i = 0; i < 3; i++) gateway.publish('a', `${i}`)
  const [client, old] = [gateway.connect(), position(gateway, 3, 0)]
  client.subscribe(1, 'a')
  client.room = 0
  broker.recreate()
  const [early, back, below] = [gateway.connect(), gateway.connect(), gateway.connect()]
  early.subscribe(1, 'a')
  back.subscribe(1, 'a', encodePosition(old))
  const texts = Array.from({ length: 40 }, (_, i) => `new ${i}`)
  for (const text of texts) gateway.publish('a', text)
  assert.ok(gateway.stream.partitions[0]!.window.indexTail > 1)
  below.subscribe(1, 'a', encodePosition(position(gateway, 0, -1)))
  client.drain()
  for (let i = 0; i < 40; i++) await settled()
  for (const each of [client, back]) {
    assert.deepEqual(
      each.gaps.map(({ reason, after }) => [reason, decodeToken(after)[0]!.offset]),
      [['recreated', 1]],
    )
    assert.deepEqual(each.texts, texts)
  }
  for (const each of [early, below]) {
    const subscribed = each.frames.find((frame) => 'subscribed' in frame)?.subscribed
    assert.equal(decodeToken(subscribed.after)[0]!.offset, 1)
    assert.deepEqual([each.gaps, each.texts], [[], texts])
  }
})

test('a rewrite that reaches below the records known to the gateway is reported from 0 on', async () => {
  const broker = new ModelBroker('events', 1)
  broker.epoch = 3
  const gateway = await TestGateway.start(broker)
  for (let i = 0; i < 3; i++) gateway.publish('a', `${i}`)
  const [older, same, ahead] = [gateway.connect(), gateway.connect(), gateway.connect()]
  older.subscribe(1, 'a', encodePosition(position(gateway, 3, 1)))
  same.subscribe(1, 'a', encodePosition(position(gateway, 3, 3)))
  ahead.subscribe(1, 'a', encodePosition(position(gateway, 9, 3)))
  await settled()
  await gateway.clock.advance(5000)
  assert.deepEqual(told(older), [[[1], 'rewritten', 0, 2]])
  assert.deepEqual(told(same), [])
  assert.deepEqual(told(ahead), [[[1], 'rewritten', 3, 8]])
})

test('an event without a collapse key replaces none, whatever the envelope before it had', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), {}, { entries: 64, payloadBytes: 16_000 })
  const client = gateway.connect()
  client.subscribe(1, 'a')
  client.room = 1
  gateway.publish('a', 'fills the socket')
  gateway.publish('a', 'kept', { collapseKey: 'k' })
  gateway.publish('a', 'x'.repeat(3800), { id: 'large', collapseKey: 'other' })
  for (let i = 0; i < 8; i++) gateway.publish('a', `${i}`)
  client.drain()
  await settled()
  assert.deepEqual(
    client.texts.filter((text) => text.length < 10),
    ['kept', '0', '1', '2', '3', '4', '5', '6', '7'],
  )
})

/** Returns a subject by its partitions before and after a growth. */
function subjectWhere(gateway: TestGateway, holds: (partition: (count: number) => number) => boolean): string {
  for (let i = 0; ; i++) {
    const subject = `s${i}`
    if (holds((count) => gateway.routing.place(subject, () => count).partition!)) return subject
  }
}

const movedBy = (gateway: TestGateway, before: number, after: number) =>
  subjectWhere(gateway, (partition) => partition(before) !== partition(after))
const movedTo = (gateway: TestGateway, partitionNow: number, after: number) =>
  subjectWhere(gateway, (partition) => partition(after) === partitionNow)
/** Moves to a partition that existed before. */
const movedFrom = (gateway: TestGateway, before: number, after: number, below: number) =>
  subjectWhere(gateway, (partition) => partition(before) !== partition(after) && partition(after) < below)

function recordOf(gateway: TestGateway, subject: string): { value: Buffer } {
  const scratch = new ModelBroker('events', 8)
  let value = Buffer.alloc(0)
  scratch.append = (_partition, _key, written) => {
    value = Buffer.from(written!)
    return 0
  }
  const { broker } = gateway
  const append = broker.append.bind(broker)
  broker.append = scratch.append
  gateway.publish(subject, 'early')
  broker.append = append
  return { value }
}

test('`last` counts in the log as of the request: all events of a new or rewritten log are delivered', async () => {
  for (const change of ['rewrite', 'recreate'] as const) {
    const broker = new ModelBroker('events', 1)
    const gateway = await TestGateway.start(broker)
    for (let i = 0; i < 6; i++) gateway.publish('a', `${i}`)
    const client = gateway.connect()
    client.room = 1
    client.ask(1, 'a', { last: 2 })
    if (change === 'rewrite') broker.rewrite(0, 1)
    else broker.recreate()
    for (let i = 0; i < 6; i++) gateway.publish('a', `new ${i}`)
    client.drain()
    await settled()
    assert.deepEqual(client.texts, ['new 0', 'new 1', 'new 2', 'new 3', 'new 4', 'new 5'], change)
  }
})

test('`last` does not count events rewritten above its position: all of them are delivered', async () => {
  const broker = new ModelBroker('events', 1)
  const gateway = await TestGateway.start(broker)
  for (const subject of ['a', 'a', 'a', 'b', 'a']) gateway.publish(subject, 'old')
  const client = gateway.connect()
  client.room = 1
  client.ask(1, 'a', { last: 2 })
  await settled()
  broker.rewrite(0, 3)
  for (let i = 0; i < 3; i++) gateway.publish('a', `new ${i}`)
  client.drain()
  await settled()
  assert.deepEqual(client.texts, ['old', 'new 0', 'new 1', 'new 2'])
})

test('a pong does not name a partition that a live subscription has moved into before its gap is sent', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1))
  const moves = Array.from({ length: 100 }, (_, i) => `a.${i}`).find((each) => {
    return gateway.routing.place(each, () => 2).partition === 1
  })!
  const client = gateway.connect()
  client.subscribe(1, 'a.>')
  client.subscribe(2, moves)
  await settled()
  client.room = 1
  client.refuses = true
  gateway.publish('a', 'fills')
  gateway.publish('a', 'fills')
  gateway.broker.grow(2)
  gateway.publish(moves, 'first')
  client.session.receive({ kind: 'ping', t: 1 })
  client.drain()
  const pong = client.frames.find((frame) => 'pong' in frame)
  assert.deepEqual(
    decodeToken(pong?.pong.after).map(({ partition }) => partition),
    [0],
  )
  for (let i = 0; i < 5; i++) await settled()
  assert.equal(client.texts.filter((text) => text === 'first').length, 2)
  client.session.receive({ kind: 'ping', t: 2 })
  assert.deepEqual(
    decodeToken(client.frames.at(-1)?.pong.after).map(({ partition }) => partition),
    [0, 1],
  )
})

test('a client with a record that is damaged here, and the last of its log, gets a gap: another history may begin with it', async () => {
  const broker = new ModelBroker('events', 1)
  const gateway = await TestGateway.start(broker)
  for (const text of ['first', 'second']) gateway.publish('a', text)
  gateway.stream.lost(0, 2, 3, 'corrupt')
  const client = gateway.connect()
  client.subscribe(1, 'a', encodePosition(position(gateway, 4, 0)))
  client.subscribe(2, 'a', encodePosition(position(gateway, 2, 0)))
  await settled()
  assert.deepEqual(
    client.gaps.map(({ refs, reason, from, to }) => [refs, reason, from, to]),
    [
      [[1], 'rewritten', 2, 3],
      [[1], 'corrupt', 2, 3],
      [[2], 'corrupt', 2, 3],
    ],
  )
})

test('a client with records that were gone before this gateway read them gets a gap: another history may begin there', async () => {
  const broker = new ModelBroker('events', 1)
  const gateway = await TestGateway.start(broker)
  gateway.publish('a', 'first')
  const client = gateway.connect()
  client.subscribe(1, 'a', encodePosition(position(gateway, 3, 0)))
  const { end } = broker
  broker.end = () => {}
  broker.hole(0, 2)
  broker.retain(0, 3)
  gateway.stream.lost(0, 1, 2, 'retention')
  end.call(broker, 0)
  await settled()
  assert.deepEqual(told(client), [
    [[1], 'rewritten', 1, 2],
    [[1], 'retention', 1, 2],
  ])
})
