import assert from 'node:assert/strict'
import test from 'node:test'
import { arrivingStart } from '../../src/session/start.ts'
import {
  decodeToken,
  encodeToken,
  growthPosition,
  isGrowth,
  isSameLog,
  logOf,
  type Position,
} from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, type TestClient, TestGateway } from './harness.ts'

/** Clients that were away, or between two polls, while their stream grew. */

const kindsOf = ({ blocks, kinds, transport }: TestClient) =>
  transport === 'sse' ? blocks.map((block) => /^event: (.*)$/m.exec(block)?.[1] ?? 'delivery') : kinds

async function grown(transport: 'websocket' | 'poll') {
  const gateway = await TestGateway.start(new ModelBroker('events', 2))
  for (let i = 0; i < 8; i++) gateway.publish(`a.${i}`, `before ${i}`)
  const first = gateway.connect('poll')
  first.session.start(['a.>'], [])
  await settled()
  const token = first.session.token()
  first.session.closed()
  gateway.broker.grow(4)
  await settled()
  const resume = async (after: string = token) => {
    const client = gateway.connect(transport)
    if (transport === 'websocket') client.subscribe(1, 'a.>', after)
    else client.session.start(['a.>'], [after])
    for (let i = 0; i < 10; i++) await settled()
    return client
  }
  return { gateway, token, resume }
}

const after = Array.from({ length: 24 }, (_, i) => `after ${i}`)

for (const transport of ['websocket', 'poll'] as const) {
  test(`a client with a token from before new partitions gets their gaps, and reads them from their beginning: ${transport}`, async () => {
    const { gateway, resume } = await grown(transport)
    for (const [i, text] of after.entries()) gateway.publish(`a.${i}`, text)
    const client = await resume()
    assert.deepEqual(
      client.gaps.map(({ reason, partition, from }) => [reason, partition, from]),
      [
        ['repartitioned', 2, 0],
        ['repartitioned', 3, 0],
      ],
    )
    assert.deepEqual(client.texts.sort(), after.toSorted())
  })

  test(`it also gets the gaps of empty new partitions, because subjects may have moved elsewhere: ${transport}`, async () => {
    const { resume } = await grown(transport)
    const client = await resume()
    assert.deepEqual(
      client.gaps.map(({ reason }) => reason),
      ['repartitioned', 'repartitioned'],
    )
  })
}

test('a partition count says whether its session reads the stream, or carries it through', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 2))
  const other = logOf('others', 'one')
  const position = { ...other, partition: 0, offset: 7, generation: 2 }
  const client = gateway.connect('poll')
  client.session.start(['a'], [encodeToken([position, growthPosition(other, 3, 0)])])
  await settled()
  const growth = decodeToken(client.session.token()).filter(isGrowth)
  assert.deepEqual(
    growth.toSorted((a, b) => a.offset - b.offset),
    [growthPosition(gateway.stream.partitions[0]!, 2, 0), growthPosition(other, 3)],
  )
})

test('a queued subscription gets the gap of a new partition at once, because it may be live elsewhere', async () => {
  const { gateway, token } = await grown('websocket')
  const client = gateway.connect()
  for (const ref of [1, 2]) client.subscribe(ref, 'a.>', token)
  const old = Array.from({ length: 24 }, (_, i) => `a.${i}`).find((subject) => {
    return (gateway.routing.place(subject, () => 4).partition ?? 4) < 2
  })
  gateway.publish(old!, 'live')
  await settled()
  const told = client.frames.filter((frame) => 'gap' in frame || 'delivery' in frame)
  const refs = told.slice(0, 4).map((frame) => ('gap' in frame ? frame.gap.refs : 'a delivery'))
  assert.deepEqual(refs, [[1], [1], [2], [2]])
})

test('a new partition is read from the position of its client, even below the first retained event', async () => {
  const { gateway } = await grown('poll')
  for (const [i, text] of after.entries()) gateway.publish(`a.${i}`, text)
  gateway.broker.retain(2, 2)
  gateway.broker.end(2)
  await settled()
  const feed = gateway.stream.partitions[2]!
  const below = { ...feed.positionAt(0), generation: -1 }
  const client = gateway.connect('poll')
  client.session.start(['a.>', 'b.>'], [encodeToken([below, growthPosition(feed, 2)])])
  for (let i = 0; i < 10; i++) await settled()
  const gaps = client.gaps.filter(({ partition }) => partition === 2).map(({ reason, from, to }) => [reason, from, to])
  assert.deepEqual(gaps, [['repartitioned', 0, undefined]])
})

test('a later token that omits a new partition is of another subject: that partition is unnamed', async () => {
  const { gateway, resume } = await grown('poll')
  const narrow = gateway.connect('poll')
  const subject = Array.from({ length: 100 }, (_, i) => `a.${i}`).find(
    (each) => gateway.routing.place(each, () => 4).partition === 0,
  )!
  for (const [i, text] of after.entries()) gateway.publish(`a.${i}`, text)
  narrow.session.start([subject], [])
  await settled()
  const client = await resume(narrow.session.token())
  assert.deepEqual(
    client.gaps.map(({ reason }) => reason),
    ['unnamed', 'unnamed', 'unnamed'],
  )
  assert.deepEqual(client.texts, [])
})

for (const transport of ['websocket', 'poll'] as const) {
  test(`partitions added while the broker is asked for the start are read from their own start, without a gap: ${transport}`, async () => {
    const gateway = await TestGateway.start(new ModelBroker('events', 1))
    gateway.publish('a.0', 'before')
    const client = gateway.connect(transport)
    if (transport === 'websocket') client.subscribe(1, 'a.>', 'earliest')
    else client.session.start(['a.>'], ['earliest'])
    gateway.broker.grow(3)
    for (const [i, text] of after.entries()) gateway.publish(`a.${i}`, text)
    for (let i = 0; i < 10; i++) await settled()
    assert.deepEqual(client.gaps, [])
    assert.deepEqual(client.texts.sort(), ['before', ...after].sort())
    if (transport === 'poll') return
    assert.equal(client.frames.filter((frame) => 'live' in frame).length, 1)
    client.session.receive({ kind: 'unsubscribe', ref: 1 })
    for (const feed of gateway.stream.partitions) assert.deepEqual([feed.hub.size, feed.readers.size], [0, 0])
  })
}

for (const transport of ['sse', 'poll', 'websocket'] as const) {
  test(`an event that arrives with new partitions is delivered after their gaps: ${transport}`, async () => {
    const gateway = await TestGateway.start(new ModelBroker('events', 2))
    for (let i = 0; i < 8; i++) gateway.publish(`a.${i}`, `before ${i}`)
    const client = gateway.connect(transport)
    if (transport === 'websocket') client.subscribe(1, 'a.>')
    else client.session.start(['a.>'], [gateway.stream.partitions[0]!.tokenAt(0)])
    for (let i = 0; i < 10; i++) await settled()
    const had = kindsOf(client).length
    gateway.broker.grow(4)
    const stays = Array.from({ length: 100 }, (_, i) => `a.${i}`).find((each) => {
      return gateway.routing.place(each, () => 4).partition === 0
    })!
    gateway.publish(stays, 'at once')
    assert.deepEqual(kindsOf(client).slice(had), ['gap', 'gap', 'delivery'])
    if (transport === 'websocket') return
    const back = gateway.connect('poll')
    back.session.start(['a.>'], [client.session.token()])
    for (let i = 0; i < 10; i++) await settled()
    assert.deepEqual(back.gaps, [])
  })
}

test('a token that names one of several new partitions is still from before the others', async () => {
  const { gateway, token, resume } = await grown('poll')
  for (const [i, text] of after.entries()) gateway.publish(`a.${i}`, text)
  const [, , third] = gateway.stream.partitions
  const client = await resume(encodeToken([...decodeToken(token), third!.positionAt(third!.window.head)]))
  assert.deepEqual(
    client.gaps.map(({ reason, partition }) => [reason, partition]),
    [['repartitioned', 3]],
  )
})

test('an empty partition below one that the token names existed before: it has no gap', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 3))
  const resume = async (subject: string, partition: number) => {
    const client = gateway.connect('poll')
    client.session.start([subject], [gateway.stream.partitions[partition]!.tokenAt(0)])
    await settled()
    return client.gaps.map(({ reason, partition }) => [reason, partition])
  }
  assert.deepEqual(await resume('a.>', 2), [])
  assert.deepEqual(await resume('a.>', 1), [['repartitioned', 2]])
  const lowest = Array.from({ length: 100 }, (_, i) => `a.${i}`).find((each) => {
    return gateway.routing.place(each, () => 3).partition === 0
  })!
  // Its subject was in another partition.
  assert.deepEqual(await resume(lowest, 1), [['repartitioned', 0]])
})

test('of several subjects the one that has moved gets a gap, even if the token names the partition for another', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 2))
  const first = gateway.connect('poll')
  first.session.start(['a.0', 'a.1'], [])
  await settled()
  const token = first.session.token()
  gateway.broker.grow(4)
  await settled()
  const moved = ['a.0', 'a.1', 'a.2', 'a.3'].filter((subject) => {
    return gateway.routing.place(subject, () => 2).partition !== gateway.routing.place(subject, () => 4).partition
  })
  const [subject] = moved
  const there = gateway.stream.partitions[gateway.routing.place(subject!, () => 4).partition!]!
  gateway.publish(subject!, 'missed')
  const joint = encodeToken([...decodeToken(token), there.positionAt(there.window.head)])
  const together = gateway.connect('poll')
  together.session.start([subject!, 'b'], [joint])
  await settled()
  const inThere = together.gaps.filter(({ partition }) => partition === there.partition)
  assert.deepEqual([inThere.map(({ reason }) => reason), together.texts], [['repartitioned'], ['missed']])
  const known = encodeToken([...decodeToken(joint).filter((each) => !isGrowth(each)), growthPosition(there, 4)])
  const later = gateway.connect('poll')
  later.session.start([subject!], [known])
  await settled()
  assert.deepEqual([later.gaps, later.texts], [[], []], 'it has been told already')
})

test('a token knows of new partitions once their gaps are sent, and not before', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 2))
  const client = gateway.connect('sse')
  client.session.start(['a.>'], [])
  await settled()
  const known = () => decodeToken(client.session.token()).find(isGrowth)?.offset
  assert.equal(known(), 2)
  client.room = 1
  gateway.broker.grow(4)
  await settled()
  assert.deepEqual([kindsOf(client).filter((kind) => kind === 'gap').length, known()], [1, 2], 'one of two gaps')
  client.drain()
  await settled()
  assert.equal(known(), 4)
})

/**
 * A log that grew from 2 to 3 partitions, and a token of several subjects: one was told of the
 * third partition, the others were not.
 */
async function inOldLog() {
  const lagging = await TestGateway.start(new ModelBroker('events', 2))
  const stood = lagging.stream.partitions.map((feed) => feed.positionAt(0))
  lagging.broker.grow(3)
  const subject = Array.from({ length: 100 }, (_, i) => `a.${i}`).find((each) => {
    return lagging.routing.place(each, () => 3).partition === 2
  })!
  lagging.publish(subject, 'missed')
  await settled()
  const third = lagging.stream.partitions[2]!
  const token = encodeToken([...stood, third.positionAt(1), growthPosition(third, 2)])
  const broker = new ModelBroker('events', 4)
  broker.recreate()
  return { lagging, subject, token, gateway: await TestGateway.start(broker) }
}

const growthIn = (token: string) => decodeToken(token).filter(isGrowth)

for (const transport of ['sse', 'poll', 'websocket'] as const) {
  test(`a client with a position in an old log keeps its partition count for that log: ${transport}`, async () => {
    const { lagging, subject, token, gateway } = await inOldLog()
    const client = gateway.connect(transport)
    if (transport === 'websocket') client.subscribe(1, subject, token)
    else client.session.start([subject, '>'], [token])
    const said: string =
      transport === 'websocket'
        ? client.frames.find((frame) => 'subscribed' in frame)!.subscribed.after
        : client.session.token()
    assert.deepEqual(
      growthIn(said).find((growth) => isSameLog(growth, lagging.stream.partitions[0]!)),
      growthPosition(lagging.stream.partitions[0]!, 2),
    )
    const back = lagging.connect('poll')
    back.session.start([subject, '>'], [said])
    await settled()
    assert.deepEqual(back.texts, ['missed'])
    if (transport === 'websocket') return
    for (let i = 0; i < 5; i++) await settled()
    assert.deepEqual(growthIn(client.session.token()), [growthPosition(gateway.stream.partitions[0]!, 4, 0)])
  })
}

test('a partition count of one log says nothing about its successor, and is stated while its client has a position there', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 2))
  const client = gateway.connect('poll')
  const stood = gateway.stream.partitions.map((feed) => feed.positionAt(0))
  // Another gateway had announced a third partition.
  client.session.start(['>'], [encodeToken([...stood, growthPosition(stood[0]!, 3)])])
  await settled()
  const known = () => growthIn(client.session.token())
  assert.deepEqual(known(), [growthPosition(stood[0]!, 3, 0)])
  gateway.broker.recreate()
  // Nothing of the new log has been announced to it yet.
  assert.deepEqual(known(), [growthPosition(stood[0]!, 3)])
  for (let i = 0; i < 5; i++) await settled()
  assert.deepEqual(known(), [growthPosition(gateway.stream.partitions[0]!, 2, 0)])
})

test('a gateway that starts to read the log in which a client has a position states the partition count of the token', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 2))
  const next = logOf('events', 'incarnation-2')
  const client = gateway.connect('poll')
  const stood = [0, 1].map((partition) => ({ ...next, partition, offset: 4, generation: 0 }))
  client.session.start(['>'], [encodeToken([...stood, growthPosition(next, 3)])])
  assert.deepEqual(growthIn(client.session.token()), [growthPosition(next, 3)])
  gateway.broker.recreate()
  assert.deepEqual(growthIn(client.session.token()), [growthPosition(next, 3, 0)])
})

test('until the gap of a move is sent, a token names the position to which a rewrite of its continuation led back', async () => {
  const broker = new ModelBroker('events', 1)
  const gateway = await TestGateway.start(broker)
  for (let i = 0; i < 5; i++) gateway.publish('a', `${i}`)
  const feed = gateway.stream.partitions[0]!
  const carried = { ...feed.positionAt(5), generation: 0 }
  broker.rewrite(0, 3)
  for (let i = 3; i < 6; i++) gateway.publish('a', `other ${i}`)
  await settled()
  const { offset, gaps } = arrivingStart(feed, {
    carried: [carried],
    stood: undefined,
    count: Number.POSITIVE_INFINITY,
  })
  assert.equal(offset, 3)
  assert.deepEqual(
    gaps.map(({ reason, before }) => [reason, before?.offset]),
    [
      ['rewritten', 5],
      ['repartitioned', 3],
    ],
  )
})

/** Returns a subject that is in these partitions of two and of four. */
function subjectIn(gateway: TestGateway, ofTwo: number, ofFour: number): string {
  return Array.from({ length: 100 }, (_, i) => `a.${i}`).find((each) => {
    const [before, now] = [2, 4].map((count) => gateway.routing.place(each, () => count).partition)
    return before === ofTwo && now === ofFour
  })!
}

/** The client's position after the last event: it states no partition count. */
const lastOf = ({ deliveries }: TestClient): string => deliveries.at(-1).after

test('the position of an event from before new partitions gets the gap of the one that its subject moved into, and reads it from its beginning', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 2))
  const subject = subjectIn(gateway, 0, 2)
  const client = gateway.connect()
  client.subscribe(1, subject)
  gateway.publish(subject, 'before')
  await settled()
  client.session.closed()
  gateway.broker.grow(4)
  for (const text of ['one', 'two']) gateway.publish(subject, text)
  await settled()
  const back = gateway.connect()
  back.subscribe(1, subject, lastOf(client))
  for (let i = 0; i < 10; i++) await settled()
  assert.deepEqual(
    back.gaps.map(({ reason, partition, from }) => [reason, partition, from]),
    [['repartitioned', 2, 0]],
  )
  assert.deepEqual(back.texts, ['one', 'two'])
})

test('the extent of a log when it grew says nothing about its successor', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 2))
  const [here, there] = [subjectIn(gateway, 0, 0), subjectIn(gateway, 0, 2)]
  for (let i = 0; i < 8; i++) gateway.publish(here, 'before')
  gateway.broker.grow(4)
  gateway.broker.recreate()
  await settled()
  const client = gateway.connect()
  client.subscribe(1, here)
  for (const subject of [here, there]) gateway.publish(subject, 'now')
  await settled()
  const other = gateway.connect()
  other.subscribe(1, there, lastOf(client))
  for (let i = 0; i < 10; i++) await settled()
  assert.deepEqual(
    other.gaps.map(({ reason, partition, from, to }) => [reason, partition, from, to]),
    [['unnamed', 2, 0, 0]],
  )
})

test('a partition that its gateway did not read when the stream grew does not date a token', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 2))
  for (let i = 0; i < 8; i++) gateway.publish(`a.${i}`, 'before')
  const [absent, read] = gateway.stream.partitions.map((feed) => feed.positionAt(feed.window.head))
  await gateway.stream.leave(0)
  gateway.broker.grow(4)
  await gateway.stream.take(0)
  for (const [i, text] of after.entries()) gateway.publish(`a.${i}`, text)
  await settled()
  const told = async (...positions: Position[]) => {
    const client = gateway.connect('poll')
    client.session.start(['a.>'], [encodeToken(positions)])
    for (let i = 0; i < 10; i++) await settled()
    return client.gaps.map(({ reason, partition }) => [reason, partition])
  }
  assert.deepEqual(await told(absent!, read!), [
    ['repartitioned', 2],
    ['repartitioned', 3],
  ])
  assert.deepEqual(await told(absent!), [
    ['unnamed', 1],
    ['unnamed', 2],
    ['unnamed', 3],
  ])
})

test('an internal error in one session while its stream grows ends that session, and the others go on in the new partitions', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1))
  const [faulty, other] = [gateway.connect(), gateway.connect()]
  for (const client of [faulty, other]) client.subscribe(1, 'a.>')
  faulty.batch = () => {
    throw new Error('a fault')
  }
  gateway.broker.grow(4)
  await settled()
  for (let i = 0; i < 8; i++) gateway.publish(`a.${i}`, `${i}`)
  assert.equal(faulty.ended instanceof Error && faulty.ended.code, 'internal')
  assert.deepEqual(other.texts, ['0', '1', '2', '3', '4', '5', '6', '7'])
})
