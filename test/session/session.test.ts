import assert from 'node:assert/strict'
import test from 'node:test'
import { CarillonError } from '../../src/base/errors.ts'
import { BadFrame } from '../../src/wire/bad-frame.ts'
import type { SubscribeOptions } from '../../src/wire/frames.ts'
import { decodeToken, encodeToken, isGrowth } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { partitionOf } from '../simulation/truth.ts'
import { settled, type TestClient, TestGateway } from './harness.ts'

test('a live subscription gets each event of its subject once, in order, and no other', async () => {
  const gateway = await TestGateway.start()
  const client = gateway.connect()
  client.subscribe(1, 'a.b')
  gateway.publish('a.b', 'one')
  gateway.publish('a.c', 'other')
  gateway.publish('a.b', 'two')
  assert.deepEqual(client.kinds, ['welcome', 'subscribed', 'live', 'delivery', 'delivery'])
  assert.deepEqual(client.texts, ['one', 'two'])
})

test('an event that matches two subscriptions of a session is delivered once', async () => {
  const gateway = await TestGateway.start()
  const client = gateway.connect()
  client.subscribe(1, 'a.b')
  client.subscribe(2, 'a.*')
  client.subscribe(3, '>')
  gateway.publish('a.b', 'one')
  assert.deepEqual(client.texts, ['one'])
  assert.equal('refs' in client.deliveries[0], false)
})

test('a delivery carries the position from which its successor follows', async () => {
  const gateway = await TestGateway.start()
  const first = gateway.connect()
  first.subscribe(1, 'a')
  for (const text of ['one', 'two', 'three']) gateway.publish('a', text)
  const second = gateway.connect()
  second.subscribe(1, 'a', first.deliveries[0].after)
  await settled()
  assert.deepEqual(second.texts, ['two', 'three'])
  assert.deepEqual(
    second.deliveries.map((delivery) => delivery.refs),
    [[1], [1]],
  )
  assert.equal(second.kinds.at(-1), 'live')
  gateway.publish('a', 'four')
  assert.deepEqual(second.texts, ['two', 'three', 'four'])
  assert.equal('refs' in second.deliveries[2], false)
})

test('the token of `subscribed` resumes a subscription that got nothing', async () => {
  const gateway = await TestGateway.start()
  const first = gateway.connect()
  first.subscribe(1, 'a')
  const { after } = first.frames.find((frame) => 'subscribed' in frame)!.subscribed
  gateway.publish('a', 'one')
  const second = gateway.connect()
  second.subscribe(1, 'a', after)
  await settled()
  assert.deepEqual(second.texts, ['one'])
})

test('a session whose socket is full reads on where it stopped, without loss or duplicate', async () => {
  for (const refuses of [false, true]) {
    const gateway = await TestGateway.start(new ModelBroker('events', 4))
    const client = gateway.connect()
    client.refuses = refuses
    client.subscribe(1, 'a.>')
    const sent: string[] = []
    const publish = (from: number, to: number) => {
      for (let i = from; i < to; i++) {
        gateway.publish(`a.${i % 5}`, `${i}`)
        sent.push(`${i}`)
      }
    }
    client.room = 7
    publish(0, 20)
    await settled()
    assert.equal(client.texts.length, 7)
    for (let room = 1; client.texts.length < sent.length; room++) {
      client.drain(room)
      await settled()
      if (room < 4) publish(20 * room, 20 * room + 5)
    }
    assert.deepEqual([...client.texts].sort(), [...sent].sort())
    for (let subject = 0; subject < 5; subject++) {
      const own = (texts: string[]) => texts.filter((text) => Number(text) % 5 === subject)
      assert.deepEqual(own(client.texts), own(sent))
    }
  }
})

test('a slow session costs others nothing', async () => {
  const gateway = await TestGateway.start()
  const slow = gateway.connect()
  const quick = gateway.connect()
  slow.subscribe(1, 'a')
  quick.subscribe(1, 'a')
  slow.room = 1
  for (let i = 0; i < 10; i++) gateway.publish('a', `${i}`)
  assert.equal(quick.texts.length, 10)
  assert.equal(slow.texts.length, 1)
})

test('what left the window is read back from the broker, once for all who need it', async () => {
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

test('what a chunk has no room for is read back by the next one', async () => {
  // More records than a chunk's index holds come with one read of the broker.
  const gateway = await TestGateway.start(new ModelBroker('events', 1), {}, { entries: 8 })
  const expected = Array.from({ length: 300 }, (_, i) => `${i}`)
  for (const text of expected) gateway.publish('a', text)
  const client = gateway.connect()
  client.subscribe(1, 'a', 'earliest')
  for (let round = 0; round < 10; round++) await settled()
  assert.deepEqual(client.texts, expected)
  assert.deepEqual(client.gaps, [])
})

test('a stretch is read once for clients that are at different places in it, whoever comes first', async () => {
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
  // Not one read more for each: the first to come begins at once, and then one read serves all the others.
  assert.ok(alone >= 5 && together <= alone + 2, `${alone} reads for one client, ${together} for nine`)
})

test('who is further ahead does not wait long for who is far behind', async () => {
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

test('what was missed of quiet subjects costs its own records, however much else left the window meanwhile', async () => {
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

test('a loss ahead of a ref that is still catching up is told to it in its turn, and carries it past nothing', async () => {
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

test('a pong renews the position of what is live, up to what this socket was given', async () => {
  const gateway = await TestGateway.start()
  const client = gateway.connect()
  client.subscribe(1, 'quiet')
  for (let i = 0; i < 5; i++) gateway.publish('busy', `${i}`)
  const pong = () => {
    client.session.receive({ kind: 'ping', t: 1 })
    return decodeToken(client.frames.findLast((frame) => 'pong' in frame)!.pong.after).map(({ offset }) => offset)
  }
  assert.deepEqual(pong(), [5])
  client.room = 1
  gateway.publish('quiet', 'fills the socket')
  for (let i = 0; i < 5; i++) gateway.publish('quiet', `waits ${i}`)
  client.session.receive({ kind: 'ping', t: 2 })
  client.drain(1)
  assert.deepEqual(
    decodeToken(client.frames.at(-1)!.pong.after).map(({ offset }) => offset),
    [6],
    'not the head: five events wait behind it',
  )
})

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

test('a position below the first retained event is a gap with its bounds, before what follows', async () => {
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

test('a log that was rewritten is a gap from where the histories part', async () => {
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

test('a token ahead of this gateway waits for its offset, and is told when the broker says the log ends below', async () => {
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

test('holes in the log are no gap', async () => {
  const gateway = await TestGateway.start()
  const client = gateway.connect()
  client.subscribe(1, 'a')
  gateway.publish('a', 'one')
  gateway.broker.hole(0, 5)
  gateway.publish('a', 'two')
  const late = gateway.connect()
  late.subscribe(1, 'a', client.deliveries[0].after)
  await settled()
  for (const { texts, gaps } of [client, late]) {
    assert.equal(texts.at(-1), 'two')
    assert.deepEqual(gaps, [])
  }
})

test('SSE and poll start at their token and share one position over their subjects', async () => {
  for (const transport of ['sse', 'poll'] as const) {
    const gateway = await TestGateway.start(new ModelBroker('events', 3))
    const client = gateway.connect(transport)
    client.session.start(['a', 'b', 'c'], [])
    gateway.publish('a', 'one')
    await settled()
    gateway.publish('b', 'two')
    const token = client.session.token()
    gateway.publish('c', 'three')
    const again = gateway.connect('poll')
    again.session.start(['a', 'b', 'c'], [token])
    await settled()
    assert.deepEqual(again.texts, ['three'])
    const whole = gateway.connect('poll')
    whole.session.start(['a', 'b', 'c'], [client.openedAt!])
    await settled()
    assert.deepEqual([...whole.texts].sort(), ['one', 'three', 'two'])
  }
})

test('a token never covers a gap that was not told', async () => {
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

test('subscriptions beyond the limit, bad refs and bad subjects are refused, and the rest goes on', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), { maxSubscriptions: 2 })
  const client = gateway.connect()
  client.subscribe(1, 'a')
  client.subscribe(1, 'b')
  client.subscribe(0, 'b')
  client.subscribe(2, 'a..b')
  client.subscribe(2, 'b', 'nonsense')
  client.subscribe(2, 'b')
  client.subscribe(3, 'c')
  client.session.receive({ kind: 'unsubscribe', ref: 9 })
  gateway.publish('a', 'still there')
  const codes = client.frames.flatMap((frame) => ('error' in frame ? [frame.error.code] : []))
  assert.deepEqual(codes, ['bad_ref', 'bad_ref', 'bad_subject', 'bad_token', 'too_many_subscriptions', 'bad_ref'])
  assert.deepEqual(client.texts, ['still there'])
})

test('a frame that could not be read is refused under its ref, where it has one', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1))
  const client = gateway.connect()
  client.session.refuse(new BadFrame('subscribe.subject: expected a string, got 5', 7))
  client.session.refuse(new CarillonError('bad_frame', 'expected JSON text'))
  const refs = client.frames.flatMap((frame) => ('error' in frame ? [frame.error.ref] : []))
  assert.deepEqual(refs, [7, undefined])
})

test('a client that does not stop being refused is closed', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), { maxErrors: 5 })
  const client = gateway.connect()
  for (let i = 0; i < 9; i++) client.subscribe(1, '')
  assert.ok(client.ended !== 'normally')
  assert.equal(client.ended?.code, 'too_many_errors')
})

test('refused frames end a session only where they follow each other', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), { maxErrors: 5 })
  const client = gateway.connect()
  for (let i = 0; i < 20; i++) {
    for (let error = 0; error < 4; error++) client.subscribe(1, '')
    client.session.receive({ kind: 'ping', t: i })
  }
  assert.equal(client.ended, undefined)
  assert.equal(client.kinds.filter((kind) => kind === 'error').length, 80)
})

test('an unsubscribed ref gets nothing more, and leaves nothing behind', async () => {
  const gateway = await TestGateway.start()
  const client = gateway.connect()
  client.subscribe(1, 'a')
  client.subscribe(2, '>')
  client.session.receive({ kind: 'unsubscribe', ref: 2 })
  gateway.publish('b', 'b')
  client.session.receive({ kind: 'unsubscribe', ref: 1 })
  gateway.publish('a', 'a')
  assert.deepEqual(client.texts, [])
  const [feed] = gateway.stream.partitions
  assert.equal(feed!.hub.size, 0)
  assert.equal(feed!.readers.size, 0)
})

test('a session that is closed leaves nothing behind', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 4))
  for (let i = 0; i < 200; i++) gateway.publish('a', `${i}`)
  const client = gateway.connect()
  client.subscribe(1, 'a', 'earliest')
  client.subscribe(2, '>')
  client.session.closed()
  await settled()
  for (const feed of gateway.stream.partitions) {
    assert.equal(feed.hub.size, 0)
    assert.equal(feed.readers.size, 0)
    assert.equal(feed.parked.size, 0)
  }
  assert.equal(gateway.sessions.size, 0)
})

test('a broker that is away while a client catches up delays it, and loses nothing', async () => {
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

test('while draining, sessions are told to reconnect and no other is opened', async () => {
  const gateway = await TestGateway.start()
  const client = gateway.connect()
  await gateway.sessions.drain()
  assert.ok(client.ended !== 'normally')
  assert.equal(client.ended?.code, 'shutting_down')
  assert.ok(client.ended.retryAfterMs > 0)
  assert.throws(() => gateway.connect(), { code: 'shutting_down' })
})

test('catching up takes several slices where much lies between, and joins the head only when it is there', async () => {
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

test('answers to a client whose socket is full come when it drains, in order and before events', async () => {
  for (const refuses of [false, true]) {
    const gateway = await TestGateway.start()
    const client = gateway.connect()
    client.subscribe(1, 'a')
    client.refuses = refuses
    client.room = 1
    gateway.publish('a', 'fills')
    gateway.publish('a', 'waits')
    client.session.receive({ kind: 'ping', t: 7 })
    client.subscribe(2, 'b')
    client.session.receive({ kind: 'unsubscribe', ref: 2 })
    client.drain()
    await settled()
    const since = client.kinds.slice(client.kinds.indexOf('delivery') + 1)
    assert.deepEqual(since, ['pong', 'subscribed', 'unsubscribed', 'delivery'])
    assert.deepEqual(client.texts, ['fills', 'waits'])
  }
})

test('a client that asks without reading is closed at a bound', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), { maxWaitingFrames: 10 })
  const client = gateway.connect()
  client.room = 1
  for (let i = 0; i < 20; i++) client.session.receive({ kind: 'ping', t: i })
  assert.ok(client.ended !== 'normally')
  assert.equal(client.ended?.code, 'overloaded')
})

test('a client that asks for long answers without reading is closed at a bound of bytes', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), { maxWaitingBytes: 20_000 })
  const client = gateway.connect()
  client.room = 1
  const position = { ...gateway.stream.partitions[0]!.positionAt(0), generation: -1 }
  const after = encodeToken(Array.from({ length: 1000 }, (_, i) => ({ ...position, partition: 1 + i })))
  for (let ref = 1; ref <= 10; ref++) client.subscribe(ref, 'a', after)
  assert.ok(client.ended !== 'normally')
  assert.equal(client.ended?.code, 'overloaded')
})

test('chunks of a log that is gone are not taken for those of the one that follows it', async () => {
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

test('so does a poll, whose readers have no side', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1), {}, { entries: 4096 })
  for (let i = 0; i < 2000; i++) gateway.publish(i === 1999 ? 'a.x' : 'noise', `${i}`)
  const client = gateway.connect('poll')
  client.session.start(['a.*'], ['earliest'])
  for (let i = 0; i < 10; i++) await settled()
  assert.deepEqual(client.texts, ['1999'])
  assert.equal(client.caughtUps, 1)
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

test('what was read back before a rewrite is not given after it', async () => {
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

test('a record of the past that is too large to use does not stop the stretch behind it', async () => {
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

test('a subject that moves into a partition that is being read already is told, on every transport', async () => {
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
