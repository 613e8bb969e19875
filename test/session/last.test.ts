import assert from 'node:assert/strict'
import test from 'node:test'
import { ModelBroker } from '../model/broker.ts'
import { partitionOf } from '../simulation/truth.ts'
import { settled, TestGateway } from './harness.ts'

const scanPerSlice = 128

/** Waits for one turn of the event loop. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

async function patiently(): Promise<void> {
  for (let i = 0; i < 60; i++) await settled()
}

const upTo = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `${from + i}`)

type RestartedOptions = { partitions?: number; firstOffset?: number } & ConstructorParameters<typeof TestGateway>[2]

/** Starts a gateway after `count` events were written, none of which it has read. */
async function restarted(
  count: number,
  subjectOf: (i: number) => string,
  { partitions = 1, firstOffset, ...size }: RestartedOptions = {},
): Promise<TestGateway> {
  const broker = new ModelBroker('events', partitions, firstOffset)
  const before = await TestGateway.start(broker)
  for (let i = 0; i < count; i++) before.publish(subjectOf(i), `${i}`)
  return TestGateway.start(broker, {}, size)
}

test('`last` delivers the last events of each subject, in order, then goes on live', async () => {
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
  assert.deepEqual([pattern.gaps, poll.gaps], [[], []])
  assert.deepEqual(poll.texts, ['30', '39'])
  gateway.publish('b.rare', 'live')
  assert.deepEqual(exact.texts.slice(3), ['live'])
  assert.deepEqual(pattern.texts.slice(2), ['live'])
})

test('all events that `last` counts are delivered, also with the policy `latest`', async () => {
  const gateway = await TestGateway.start()
  for (const text of ['1', '2', '3']) gateway.publish('a', text)
  const client = gateway.connect()
  client.ask(1, 'a', { last: 2, policy: 'latest' })
  await settled()
  assert.deepEqual([client.texts, client.gaps], [['2', '3'], []])
})

test('events that `last` did not ask for are not delivered even if the socket refuses the gap of dropped ones', async () => {
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

test('`last` has no gap if the index reaches back to the first event, even if the payloads do not', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), {}, { entries: 64, payloadBytes: 4096 })
  const expected = Array.from({ length: 40 }, (_, i) => `${i}`.padEnd(300, '.'))
  for (const text of expected) gateway.publish('a', text)
  assert.ok(gateway.stream.partitions[0]!.window.tail > 0)
  const client = gateway.connect()
  gateway.broker.away = true
  client.ask(1, 'a', { last: 100 })
  assert.equal(client.kinds[1], 'subscribed', 'what the index knows is not looked for in the log')
  gateway.broker.away = false
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

test('a search for last events delays others by one slice, and examines each record once for all patterns', async () => {
  const count = 4000
  const gateway = await TestGateway.start(new ModelBroker('events', 1), {}, { entries: 8192 })
  for (let i = 0; i < count; i++) gateway.publish(`a.s${i % 50}`, `${i}`)
  const behind = gateway.connect()
  behind.subscribe(1, 'a.*', 'earliest')
  await turn()
  const patterns = ['a.s7.>', 'a.*', ...Array.from({ length: 800 }, (_, i) => `z${i}.>`)]
  const { gateway: counted } = gateway.instruments
  const before = counted.scanned
  const poll = gateway.connect('poll')
  poll.session.start(patterns, [], { last: 1 })
  assert.ok(counted.scanned - before <= scanPerSlice, `${counted.scanned - before} in the turn of its request`)
  let [looked, meanwhile] = [counted.scanned, 0]
  while (poll.openedAt === undefined) {
    await turn()
    // A slice of each session.
    assert.ok(counted.scanned - looked <= 64 * scanPerSlice, `${counted.scanned - looked} in one turn`)
    looked = counted.scanned
    meanwhile = behind.texts.length
  }
  assert.ok(meanwhile > 0, 'who catches up goes on meanwhile')
  await patiently()
  assert.deepEqual([behind.texts.length, poll.texts, poll.gaps], [count, upTo(count - 50, count), []])
  const own = counted.scanned - before - count
  assert.ok(own < 3 * count, `${own} looks at ${count} records`)
})

test('events that arrive during a search for last events are delivered after those, in order and once', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), {}, { entries: 8192 })
  for (let i = 0; i < 1000; i++) gateway.publish(i === 10 ? 'a.rare' : 'a.often', `${i}`)
  const client = gateway.connect()
  client.ask(1, 'a.*', { last: 2 })
  const came = []
  while (!client.kinds.includes('subscribed')) {
    came.push(`new ${gateway.publish('a.often', `new ${gateway.stream.partitions[0]!.window.head}`)}`)
    await turn()
  }
  assert.ok(came.length > 3)
  await patiently()
  gateway.publish('a.often', 'live')
  assert.deepEqual([client.gaps, client.texts], [[], ['10', '998', '999', ...came, 'live']])
})

test('after a restart the last events of subjects and patterns come from the log, in each partition', async () => {
  const gateway = await restarted(600, (i) => (i === 5 ? 'b.rare' : `b.s${i % 3}`), {
    partitions: 3,
    readBack: { chunkBytes: 1024 },
  })
  const [exact, pattern, poll] = [gateway.connect(), gateway.connect(), gateway.connect('poll')]
  exact.ask(1, 'b.rare', { last: 2 })
  pattern.ask(1, 'b.*', { last: 1 })
  poll.session.start(['b.s0', 'b.*', 'b.none'], [], { last: 2 })
  await patiently()
  assert.deepEqual([exact.gaps, exact.texts], [[], ['5']])
  const sorted = (texts: string[]) => texts.map(Number).sort((a, b) => a - b)
  assert.deepEqual([pattern.gaps, sorted(pattern.texts)], [[], [5, 597, 598, 599]])
  assert.deepEqual([poll.gaps, sorted(poll.texts)], [[], [5, 594, 595, 596, 597, 598, 599]])
  assert.equal(gateway.instruments.stream('events').readBackWaiting, 0)
  gateway.publish('b.rare', 'live')
  assert.deepEqual(exact.texts, ['5', 'live'])
})

test('clients that ask for the same last events after a restart share the reads of the log', async () => {
  const gateway = await restarted(2000, (i) => `b.s${i % 500}`, { readBack: { chunkBytes: 8192, chunks: 16 } })
  const clients = Array.from({ length: 50 }, (_, i) => {
    const client = gateway.connect()
    client.ask(1, `b.s${i}`, { last: 1 })
    return client
  })
  await patiently()
  clients.forEach((client, i) => {
    assert.deepEqual([client.gaps, client.texts], [[], [`${1500 + i}`]])
  })
  const { readBackRecords } = gateway.instruments.stream('events')
  assert.ok(readBackRecords < 4 * 2000, `${readBackRecords} records`)
})

test('`last` reads no more of the log than the budget of its session, and reports where it stopped', async () => {
  const gateway = await restarted(400, (i) => (i === 5 ? 'rare' : 'often'), {
    readBack: { chunkBytes: 1024, maxBytesPerSession: 8192 },
  })
  const client = gateway.connect()
  client.ask(1, 'rare', { last: 1 })
  await patiently()
  const [gap] = client.gaps
  assert.deepEqual([client.gaps.length, client.texts, gap.reason, gap.from, gap.certain], [1, [], 'budget', 0, false])
  assert.ok(gap.to > 200 && gap.to < 399, `to ${gap.to}`)
})

test('`last` that has searched all of a log has no gap below its first record, whatever the offset of that', async () => {
  for (const firstOffset of [0, 1]) {
    const gateway = await restarted(5, () => 'a', { firstOffset })
    const client = gateway.connect()
    client.ask(1, 'a', { last: 9 })
    await patiently()
    assert.deepEqual([client.gaps, client.texts], [[], ['0', '1', '2', '3', '4']], `${firstOffset}`)
  }
})

test('`last` does not search below retention, and has no gap there', async () => {
  const gateway = await restarted(5000, (i) => (i % 2 === 0 ? 'even' : 'odd'), {
    readBack: { chunkBytes: 64, maxBytesPerSession: 512 },
  })
  const { broker } = gateway
  broker.retain(0, 4998)
  const client = gateway.connect()
  client.ask(1, 'even', { last: 9 })
  await patiently()
  assert.deepEqual([client.gaps, client.texts], [[], ['4998']])
  assert.ok(broker.ranges < 5, `${broker.ranges} reads`)
})

test('`last` examines 65,536 records of a partition, and reports where it stopped', async () => {
  const count = 66_000
  const gateway = await restarted(count, (i) => (i < 20 ? 'rare' : 'often'))
  const client = gateway.connect()
  client.ask(1, 'rare', { last: 1 })
  while (!client.kinds.includes('live')) await turn()
  assert.deepEqual(
    client.gaps.map(({ reason, from, to }) => [reason, from, to]),
    [['budget', 0, count - 65_536 - 1]],
  )
})

test('`last` examines nothing in the log that is older than readBack.maxAgeMs', async () => {
  const broker = new ModelBroker('events', 1)
  const before = await TestGateway.start(broker)
  for (const text of ['old', 'older than that', 'young']) {
    broker.nowMs += 10_000
    before.publish('a', text)
  }
  const gateway = await TestGateway.start(broker, {}, { readBack: { maxAgeMs: 15_000 } })
  await gateway.clock.advance(broker.nowMs - gateway.clock.nowUs() / 1000)
  const client = gateway.connect()
  client.ask(1, 'a', { last: 3 })
  await patiently()
  assert.deepEqual(client.texts, ['older than that', 'young'])
  assert.deepEqual(
    client.gaps.map(({ reason, from, to }) => [reason, from, to]),
    [['budget', 0, 0]],
  )
})

test('`last` delivers the events in memory after two seconds if the broker does not answer, with a gap', async () => {
  const gateway = await restarted(5, () => 'a')
  gateway.publish('a', 'new')
  gateway.broker.away = true
  const client = gateway.connect()
  client.ask(1, 'a', { last: 3 })
  await gateway.clock.advance(1900)
  assert.deepEqual(client.kinds, ['welcome'])
  await gateway.clock.advance(200)
  assert.deepEqual(client.texts, ['new'])
  assert.deepEqual(
    client.gaps.map(({ reason, from, to }) => [reason, from, to]),
    [['budget', 0, 4]],
  )
  assert.equal(gateway.instruments.stream('events').readBackWaiting, 0)
})

test('a session that is at the head after a search timed out does not count as behind', async () => {
  const gateway = await restarted(5, () => 'a')
  gateway.broker.range = () => new Promise(() => {})
  const client = gateway.connect()
  client.ask(1, 'a', { last: 3 })
  await settled()
  gateway.broker.recreate()
  assert.equal(gateway.instruments.gateway.behind, 1)
  await gateway.clock.advance(2100)
  assert.deepEqual(client.kinds, ['welcome', 'subscribed', 'live'])
  assert.equal(gateway.instruments.gateway.behind, 0)
})

test('a search ends when its subscription or session is gone', async () => {
  const gateway = await restarted(5, () => 'a')
  gateway.broker.away = true
  const [one, all] = [gateway.connect(), gateway.connect('poll')]
  one.ask(1, 'a', { last: 3 })
  all.session.start(['a', 'b.*'], [], { last: 3 })
  await settled()
  const { readBackWaiting } = gateway.instruments.stream('events')
  assert.equal(readBackWaiting, 2)
  one.session.receive({ kind: 'unsubscribe', ref: 1 })
  all.session.closed()
  assert.equal(gateway.instruments.stream('events').readBackWaiting, 0)
  gateway.broker.away = false
  await gateway.clock.advance(5000)
  assert.deepEqual([one.kinds, all.kinds], [['welcome', 'unsubscribed'], []])
})

test('last events are counted in the new log if the log is rewritten during the search', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), {}, { entries: 8192 })
  for (let i = 0; i < 1000; i++) gateway.publish('a.often', `${i}`)
  const client = gateway.connect()
  client.ask(1, 'a.*', { last: 1 })
  gateway.broker.rewrite(0, 500)
  gateway.publish('a.often', 'of the new log')
  await patiently()
  assert.deepEqual([client.gaps, client.texts], [[], ['of the new log']])
})

test('`last` for several subjects of one request reports a gap of a partition only for the subjects in it', async () => {
  const broker = new ModelBroker('events', 2)
  const inPartition = (partition: number) =>
    ['a', 'b', 'c', 'd', 'e'].find((each) => partitionOf(each, 2) === partition)!
  const [found, missing] = [inPartition(0), inPartition(1)]
  await TestGateway.start(broker).then((first) => {
    for (const subject of [found, missing]) first.publish(subject, 'old')
  })
  const gateway = await TestGateway.start(broker)
  gateway.publish(found, 'new')
  broker.away = true
  const poll = gateway.connect('poll')
  poll.session.start([found, missing], [], { last: 1 })
  await gateway.clock.advance(2100)
  assert.deepEqual(
    poll.gaps.map(({ reason, partition }) => [reason, partition]),
    [['budget', 1]],
  )
  assert.deepEqual(poll.texts, ['new'])
})

test('events that arrive while the index is followed are not counted: the requested number before them is delivered', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), {}, { entries: 8192 })
  const [before, wanted] = [600, 300]
  for (let i = 0; i < before; i++) {
    gateway.publish('a', `${i}`)
    gateway.publish('b', 'b')
  }
  const poll = gateway.connect('poll')
  poll.session.start(['b', 'a'], [], { last: wanted })
  assert.equal(poll.openedAt, undefined, 'more than a slice')
  gateway.publish('a', 'new')
  await patiently()
  assert.deepEqual(
    poll.texts.filter((text) => text !== 'b'),
    [...upTo(before - wanted, before), 'new'],
  )
})

test('`last` for several subjects of one request reports down to where it searched for each of them', async () => {
  const broker = new ModelBroker('events', 1)
  const ask = async (gateway: TestGateway) => {
    const poll = gateway.connect('poll')
    broker.away = true
    poll.session.start(['none', 'b.*'], [], { last: 100 })
    await gateway.clock.advance(2100)
    broker.away = false
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
