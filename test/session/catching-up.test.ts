import assert from 'node:assert/strict'
import test from 'node:test'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from './harness.ts'

test('records that left the window are read back from the broker, once for all readers', async () => {
  const gateway = await TestGateway.start()
  const first = gateway.connect()
  first.subscribe(1, 'a')
  const expected: string[] = []
  for (let i = 0; i < 300; i++) {
    gateway.publish('a', `${i}`)
    gateway.publish('b', `noise ${i}`)
    if (i > 0) expected.push(`${i}`)
  }
  const after = first.deliveries[0].after
  const late = Array.from({ length: 50 }, () => gateway.connect.bind(gateway))
    .slice(0, 8)
    .map((connect) => connect())
  for (const client of late) client.subscribe(1, 'a', after)
  await settled()
  await settled()
  for (const client of late) {
    assert.deepEqual(client.texts, expected)
    assert.equal(client.kinds.at(-1), 'live')
  }
  assert.ok(gateway.broker.ranges < 40, `${gateway.broker.ranges} range reads for 8 clients`)
})

test('records that do not fit in a chunk are read back in the next one', async () => {
  // One read of the broker returns more records than a chunk's index holds.
  const gateway = await TestGateway.start(new ModelBroker('events', 1), {}, { entries: 8 })
  const expected = Array.from({ length: 300 }, (_, i) => `${i}`)
  for (const text of expected) gateway.publish('a', text)
  const client = gateway.connect()
  client.subscribe(1, 'a', 'earliest')
  for (let round = 0; round < 10; round++) await settled()
  assert.deepEqual(client.texts, expected)
  assert.deepEqual(client.gaps, [])
})

test('a stretch is read once for clients at different positions in it, in any order of arrival', async () => {
  const readsFor = async (behind: readonly number[]) => {
    const gateway = await TestGateway.start()
    const first = gateway.connect()
    first.subscribe(1, 'a')
    for (let i = 0; i < 300; i++) gateway.publish('a', `${i}`)
    const clients = behind.map((offset) => {
      const client = gateway.connect()
      client.subscribe(1, 'a', first.deliveries[offset].after)
      return client
    })
    for (let i = 0; i < 5; i++) await settled()
    for (const [i, { texts }] of clients.entries()) assert.deepEqual(texts, first.texts.slice(behind[i]! + 1))
    return gateway.broker.ranges
  }
  const alone = await readsFor([0])
  const together = await readsFor([8, 7, 6, 5, 4, 3, 2, 1, 0])
  // Not one more read for each client: the read for the first client starts at once, and then one
  // read serves all the others.
  assert.ok(alone >= 5 && together <= alone + 2, `${alone} reads for one client, ${together} for nine`)
})

test('a client that is further ahead does not wait long for one far behind', async () => {
  const gateway = await TestGateway.start()
  const first = gateway.connect()
  first.subscribe(1, 'a')
  for (let i = 0; i < 2000; i++) gateway.publish('a', `${i}`)
  const behind = gateway.connect()
  const ahead = gateway.connect()
  const finished: string[] = []
  behind.subscribe(1, 'a', first.deliveries[0].after)
  ahead.subscribe(1, 'a', first.deliveries[1800].after)
  await settled()
  await gateway.clock.advance(2000)
  for (let i = 0; i < 400 && finished.length < 2; i++) {
    await new Promise((resolve) => setImmediate(resolve))
    if (!finished.includes('ahead') && ahead.kinds.at(-1) === 'live') {
      finished.push('ahead')
      assert.ok(behind.texts.length < 1000, `${behind.texts.length} for who is behind meanwhile`)
    }
    if (!finished.includes('behind') && behind.kinds.at(-1) === 'live') finished.push('behind')
  }
  assert.deepEqual(finished, ['ahead', 'behind'])
})

test('catching up on a quiet subject costs its own records, however many others left the window', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), {}, { entries: 1024, payloadBytes: 4096 })
  const before = gateway.stream.partitions[0]!.tokenAt(gateway.publish('quiet', '0') + 1)
  for (let i = 0; i < 200; i++) gateway.publish('busy', `${i}`)
  const client = gateway.connect()
  client.subscribe(1, 'quiet', before)
  await settled()
  assert.deepEqual(client.kinds, ['welcome', 'subscribed', 'live'])
  assert.equal(gateway.broker.ranges, 0, 'nothing was missed: the index says so')

  gateway.publish('quiet', '1')
  for (let i = 0; i < 600; i++) gateway.publish('busy', `${i}`)
  const damaged = gateway.broker.damage(0)
  for (let i = 0; i < 100; i++) gateway.publish('busy', `${i}`)
  assert.ok(gateway.stream.partitions[0]!.window.tail > damaged)
  const poll = gateway.connect('poll')
  poll.session.start(['quiet', 'silent'], [before])
  for (let i = 0; i < 5; i++) await settled()
  assert.deepEqual(poll.texts, ['1'])
  assert.deepEqual(
    poll.gaps.map(({ from, to, reason }) => ({ from, to, reason })),
    [{ from: damaged, to: damaged, reason: 'corrupt' }],
  )
  assert.equal(gateway.broker.ranges, 1, 'one chunk, of 900 records')
})

test('a loss ahead of a ref that is catching up is reported in its turn, and skips nothing for it', async () => {
  const gateway = await TestGateway.start()
  const feed = gateway.stream.partitions[0]!
  const before = feed.tokenAt(0)
  for (let i = 0; i < 3; i++) gateway.publish('a', `${i}`)
  const client = gateway.connect()
  client.room = 2
  client.subscribe(1, 'a', before)
  gateway.broker.damage(0)
  client.drain(1)
  await settled()
  assert.deepEqual(client.kinds, ['welcome', 'subscribed', 'delivery'])
  client.drain()
  await settled()
  assert.deepEqual(client.kinds.slice(2), ['delivery', 'delivery', 'delivery', 'gap', 'live'])
})

test('a broker that is unreachable while a client catches up delays it, and loses nothing', async () => {
  const gateway = await TestGateway.start()
  const first = gateway.connect()
  first.subscribe(1, 'a')
  for (let i = 0; i < 200; i++) gateway.publish('a', `${i}`)
  gateway.broker.away = true
  const client = gateway.connect()
  client.subscribe(1, 'a', first.deliveries[0].after)
  await gateway.clock.advance(2000)
  assert.deepEqual(client.texts, [])
  gateway.broker.away = false
  await gateway.clock.advance(2000)
  assert.equal(client.texts.length, 199)
})

test('catching up over a long stretch takes several slices, and joins only at the head', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), {}, { entries: 4096 })
  const expected: string[] = []
  for (let i = 0; i < 3000; i++) {
    const matches = i % 400 === 0
    gateway.publish(matches ? 'a.x' : `noise.${i % 7}`, `${i}`)
    if (matches) expected.push(`${i}`)
  }
  const client = gateway.connect()
  client.subscribe(1, 'a.*', 'earliest')
  for (let i = 0; i < 30; i++) await settled()
  assert.deepEqual(client.texts, expected)
  assert.deepEqual(
    client.kinds.filter((kind) => kind === 'live'),
    ['live'],
  )
  gateway.publish('a.y', 'after')
  assert.equal(client.texts.at(-1), 'after')
})

test('catching up takes several slices for a poll too, which has no side readers', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), {}, { entries: 4096 })
  for (let i = 0; i < 2000; i++) gateway.publish(i === 1999 ? 'a.x' : 'noise', `${i}`)
  const client = gateway.connect('poll')
  client.session.start(['a.*'], ['earliest'])
  for (let i = 0; i < 10; i++) await settled()
  assert.deepEqual(client.texts, ['1999'])
  assert.equal(client.caughtUps, 1)
})

test('a past record that is too large to use does not stop the stretch after it', async () => {
  const broker = new ModelBroker('events', 1)
  const writer = await TestGateway.start(broker)
  writer.publish('a', '1')
  writer.publish('a', 'x'.repeat(100_000))
  writer.publish('a', '3')
  const gateway = await TestGateway.start(broker)
  const client = gateway.connect()
  client.subscribe(1, 'a', 'earliest')
  for (let i = 0; i < 10; i++) await settled()
  assert.deepEqual(client.texts, ['1', '3'])
})
