import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeToken, encodeToken, growthPosition, type Position } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, type TestClient, TestGateway } from './harness.ts'

/**
 * Subjects that move into a partition in which the client's token had a position, while the
 * partition's log was replaced.
 */

/** Returns a subject that is in these partitions. */
function subjectWhere(gateway: TestGateway, partitions: Readonly<Record<number, number>>): string {
  for (let i = 0; ; i++) {
    const subject = `s${i}`
    const isThere = ([count, partition]: [string, number]) =>
      gateway.routing.place(subject, () => Number(count)).partition === partition
    if (Object.entries(partitions).every(isThere)) return subject
  }
}

const position = (gateway: TestGateway, partition: number, offset: number, generation: number): Position => ({
  ...gateway.stream.partitions[0]!.positionAt(0),
  partition,
  offset,
  generation,
})

function begin(gateway: TestGateway, transport: 'websocket' | 'poll', subject: string, after: readonly Position[]) {
  const client = gateway.connect(transport)
  if (transport === 'websocket') client.subscribe(1, subject, encodeToken(after))
  else client.session.start([subject], [encodeToken(after)])
  return client
}

const told = ({ gaps }: TestClient) => gaps.map(({ reason, partition, from, to }) => [reason, partition, from, to])

const texts = (count: number) => Array.from({ length: count }, (_, i) => `${i}`)

async function publishAll(gateway: TestGateway, subject: string, count: number): Promise<void> {
  for (const text of texts(count)) gateway.publish(subject, text)
  for (let i = 0; i < 10; i++) await settled()
}

for (const transport of ['websocket', 'poll'] as const) {
  test(`a subject that returns to a partition that was truncated below its position loses nothing: ${transport}`, async () => {
    const broker = new ModelBroker('events', 5)
    const gateway = await TestGateway.start(broker)
    const subject = subjectWhere(gateway, { 5: 4, 6: 2 })
    // It was at 2@10 before it moved to partition 4. Partition 2 has been truncated to its
    // beginning since.
    broker.epoch = 1
    const stood = [position(gateway, 2, 10, 0), position(gateway, 4, 0, -1)]
    const client = begin(gateway, transport, subject, stood)
    await settled()
    broker.grow(6)
    await settled()
    await gateway.clock.advance(5000)
    await publishAll(gateway, subject, 14)
    assert.deepEqual(client.texts, texts(14))
    assert.deepEqual(told(client), [
      ['repartitioned', 2, 10, undefined],
      ['rewritten', 2, 0, 9],
    ])
    const [behind] = decodeToken(client.gaps[0].after)
    assert.deepEqual([behind!.offset, behind!.generation], [10, 0])
  })

  test(`a subject that leaves a partition ahead of its gateway, and returns, gets no event again: ${transport}`, async () => {
    const broker = new ModelBroker('events', 5)
    const gateway = await TestGateway.start(broker)
    const subject = subjectWhere(gateway, { 5: 2, 6: 4, 7: 2 })
    const client = begin(gateway, transport, subject, [position(gateway, 2, 10, 0)])
    await publishAll(gateway, subject, 4)
    for (const count of [6, 7]) {
      broker.grow(count)
      await settled()
    }
    for (const text of texts(14).slice(4)) gateway.publish(subject, text)
    for (let i = 0; i < 10; i++) await settled()
    assert.deepEqual(client.texts, texts(14).slice(10))
    assert.deepEqual(told(client), [
      ['repartitioned', 4, 0, undefined],
      ['repartitioned', 2, 10, undefined],
    ])
  })

  test(`a position ahead of the log is checked against the log when its subject returns: ${transport}`, async () => {
    const broker = new ModelBroker('events', 5)
    const gateway = await TestGateway.start(broker)
    const subject = subjectWhere(gateway, { 5: 2, 6: 4, 7: 2 })
    const client = begin(gateway, transport, subject, [position(gateway, 2, 10, 0)])
    await settled()
    broker.grow(6)
    await settled()
    broker.epoch = 1
    broker.grow(7)
    await publishAll(gateway, subject, 14)
    assert.deepEqual(client.texts, texts(14))
    assert.deepEqual(told(client), [
      ['repartitioned', 4, 0, undefined],
      ['repartitioned', 2, 10, undefined],
      ['rewritten', 2, 0, 9],
    ])
  })

  test(`a log that grows past a position that a subject returns to is checked against its generation: ${transport}`, async () => {
    const broker = new ModelBroker('events', 5)
    const gateway = await TestGateway.start(broker)
    const subject = subjectWhere(gateway, { 5: 4, 6: 2 })
    broker.epoch = 1
    const stood = [position(gateway, 2, 10, 0), position(gateway, 4, 0, -1)]
    const client = begin(gateway, transport, subject, stood)
    await settled()
    broker.grow(6)
    await publishAll(gateway, subject, 14)
    assert.deepEqual(client.texts, texts(14))
    assert.deepEqual(told(client).at(-1), ['rewritten', 2, 0, 9])
  })

  test(`a token from before the stream grew keeps its generation where it is ahead of the log: ${transport}`, async () => {
    const broker = new ModelBroker('events', 6)
    const gateway = await TestGateway.start(broker)
    const subject = subjectWhere(gateway, { 5: 4, 6: 2 })
    broker.epoch = 1
    const stood = [position(gateway, 2, 10, 0), position(gateway, 4, 0, -1)]
    const client = begin(gateway, transport, subject, [...stood, growthPosition(stood[0]!, 5)])
    await publishAll(gateway, subject, 14)
    assert.deepEqual(client.texts, texts(14))
    assert.deepEqual(told(client), [
      ['repartitioned', 2, 10, undefined],
      ['rewritten', 2, 0, 9],
    ])
    const [behind] = decodeToken(client.gaps[0].after)
    assert.deepEqual([behind!.offset, behind!.generation], [10, 0])
  })

  test(`a subject that moves into a partition of a new log gets the gap of the new log first: ${transport}`, async () => {
    const broker = new ModelBroker('events', 4)
    const gateway = await TestGateway.start(broker)
    const subject = subjectWhere(gateway, { 4: 0, 5: 2 })
    // Another gateway already knew of five partitions.
    const stood = [position(gateway, 0, 0, -1), position(gateway, 2, 7, 0)]
    const client = begin(gateway, transport, subject, stood)
    await settled()
    broker.recreate(5)
    await publishAll(gateway, subject, 9)
    assert.deepEqual(client.texts, texts(9))
    const there = told(client).filter(([, partition]) => partition === 2)
    assert.deepEqual(there, [
      ['recreated', 2, 7, undefined],
      ['repartitioned', 2, 0, undefined],
    ])
  })

  test(`a position of an earlier log is a recreated gap even if the partition count says that subjects moved: ${transport}`, async () => {
    const broker = new ModelBroker('events', 4)
    const gateway = await TestGateway.start(broker)
    const subject = subjectWhere(gateway, { 5: 0, 6: 2 })
    const stood = position(gateway, 2, 7, 0)
    broker.recreate(6)
    for (const text of texts(9)) gateway.publish(subject, text)
    await settled()
    const client = begin(gateway, transport, subject, [stood, growthPosition(gateway.stream.partitions[0]!, 5)])
    for (let i = 0; i < 10; i++) await settled()
    assert.deepEqual(client.texts, texts(9))
    assert.deepEqual(told(client), [
      ['recreated', 2, 7, undefined],
      ['repartitioned', 2, 0, undefined],
    ])
  })

  test(`a token that names other partitions of an earlier log has nothing of the new one: ${transport}`, async () => {
    const broker = new ModelBroker('events', 4)
    const gateway = await TestGateway.start(broker)
    const subject = subjectWhere(gateway, { 4: 0, 5: 2 })
    const stood = [position(gateway, 0, 7, 0), growthPosition(position(gateway, 0, 0, 0), 4)]
    broker.recreate(5)
    for (const text of texts(9)) gateway.publish(subject, text)
    await settled()
    const client = begin(gateway, transport, subject, stood)
    for (let i = 0; i < 10; i++) await settled()
    assert.deepEqual(client.texts, texts(9))
    assert.deepEqual(told(client), [['recreated', 2, 0, undefined]])
  })

  test(`a subject that has moved in a re-created log gets the recreated gap in its new partition before the repartitioned one: ${transport}`, async () => {
    const broker = new ModelBroker('events', 2)
    const gateway = await TestGateway.start(broker)
    const subject = subjectWhere(gateway, { 2: 1, 3: 2 })
    const client = begin(gateway, transport, subject, [position(gateway, 1, 0, -1)])
    await settled()
    broker.recreate(3)
    await publishAll(gateway, subject, 9)
    assert.deepEqual(client.texts, texts(9))
    assert.deepEqual(told(client), [
      ['recreated', 2, 0, undefined],
      ['repartitioned', 2, 0, undefined],
    ])
  })

  test(`a token that names a new log in some of its partitions has nothing of the others: ${transport}`, async () => {
    const broker = new ModelBroker('events', 2)
    const gateway = await TestGateway.start(broker)
    const subject = subjectWhere(gateway, { 3: 2 })
    const stood = position(gateway, 1, 7, 0)
    broker.recreate(3)
    await publishAll(gateway, subject, 9)
    // Its connection was cut between gaps: that of partition 0 was sent, those of 1 and 2 were
    // not.
    const client = begin(gateway, transport, '>', [position(gateway, 0, 0, -1), stood])
    for (let i = 0; i < 10; i++) await settled()
    assert.deepEqual(client.texts, texts(9))
    assert.deepEqual(told(client), [
      ['recreated', 1, 7, undefined],
      ['recreated', 2, 0, undefined],
    ])
  })
}

test('the first of several subjects to move into a partition gets it from its beginning', async () => {
  const broker = new ModelBroker('events', 2)
  const gateway = await TestGateway.start(broker)
  const [moves, stays] = [subjectWhere(gateway, { 2: 0, 3: 2 }), subjectWhere(gateway, { 2: 1, 3: 1 })]
  // Another subject of the same client has a position in the third partition already, from a
  // gateway that knew of it earlier than this one.
  const stood = [position(gateway, 0, 0, -1), position(gateway, 1, 0, -1), position(gateway, 2, 5, -1)]
  const client = gateway.connect('poll')
  client.session.start([moves, stays], [encodeToken([...stood, growthPosition(stood[0]!, 2)])])
  await settled()
  broker.grow(3)
  await publishAll(gateway, moves, 9)
  assert.deepEqual(client.texts, texts(9))
  assert.deepEqual(told(client), [['repartitioned', 2, 0, undefined]])
})

test('subjects that move into a partition together get one gap, and no token resumes from the position of another subject there', async () => {
  const broker = new ModelBroker('events', 2)
  const gateway = await TestGateway.start(broker)
  const moves = subjectWhere(gateway, { 2: 0, 3: 2 })
  const stood = [position(gateway, 0, 0, -1), position(gateway, 1, 0, -1), position(gateway, 2, 5, -1)]
  const client = gateway.connect('sse')
  client.session.start(['>', moves, '*'], [encodeToken([...stood, growthPosition(stood[0]!, 2)])])
  await settled()
  const { length } = client.stood
  broker.grow(3)
  await publishAll(gateway, moves, 9)
  assert.equal(client.blocks.filter((block) => block.startsWith('event: gap')).length, 1)
  const offsets = client.stood
    .slice(length)
    .map((token) => decodeToken(token).find((each) => each.partition === 2)?.offset)
  // The gap, and nine events.
  assert.deepEqual(offsets, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
})

test('over a WebSocket a subject that returns to a partition goes on at its head if the gateway had read everything its client has', async () => {
  const broker = new ModelBroker('events', 5)
  const gateway = await TestGateway.start(broker)
  const subject = subjectWhere(gateway, { 5: 2, 6: 4, 7: 2 })
  const client = begin(gateway, 'websocket', subject, [position(gateway, 2, 0, -1)])
  await publishAll(gateway, subject, 3)
  broker.grow(6)
  await publishAll(gateway, subjectWhere(gateway, { 6: 2 }), 2)
  broker.grow(7)
  await settled()
  assert.deepEqual(told(client), [
    ['repartitioned', 4, 0, undefined],
    ['repartitioned', 2, 5, undefined],
  ])
})

test('over a WebSocket a position of a deleted log is not kept once its subject has the gap of the new log in another partition', async () => {
  const broker = new ModelBroker('events', 2)
  const gateway = await TestGateway.start(broker)
  const subject = subjectWhere(gateway, { 2: 1, 3: 2, 4: 1 })
  const client = begin(gateway, 'websocket', subject, [position(gateway, 1, 7, 0)])
  await settled()
  broker.recreate(3)
  await publishAll(gateway, subject, 2)
  broker.grow(4)
  await settled()
  assert.deepEqual(told(client), [
    ['recreated', 2, 0, undefined],
    ['repartitioned', 2, 0, undefined],
    ['repartitioned', 1, 0, undefined],
  ])
})

test('a session keeps a bounded number of positions for other partitions; beyond it a subject starts there as if its token did not name them', async () => {
  const broker = new ModelBroker('events', 5)
  const gateway = await TestGateway.start(broker, { maxCarried: 3 })
  const subject = subjectWhere(gateway, { 5: 4, 6: 2 })
  const client = gateway.connect()
  for (let i = 0; i < 4; i++) gateway.publish(subjectWhere(gateway, { 5: 2 }), `${i}`)
  const there = [position(gateway, 1, 0, -1), position(gateway, 2, 1, -1), position(gateway, 4, 0, -1)]
  const elsewhere = { ...there[0]!, nameHash: 1 }
  const after = encodeToken([...there, elsewhere])
  for (const ref of [1, 2]) client.subscribe(ref, subject, after)
  client.session.receive({ kind: 'unsubscribe', ref: 1 })
  client.subscribe(3, subject, after)
  await settled()
  broker.grow(6)
  await settled()
  assert.deepEqual(
    client.gaps.map(({ refs, reason, from }) => [refs, reason, from]),
    [
      [[2], 'repartitioned', 4],
      [[3], 'repartitioned', 1],
    ],
  )
})
