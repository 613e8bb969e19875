import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeToken } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from './harness.ts'

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

test('a delivery carries the position right after its event', async () => {
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

test('the token of `subscribed` resumes a subscription that received nothing', async () => {
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

test('holes in the log are not a gap', async () => {
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

test('a pong updates the position of live subscriptions, up to the last event written to the socket', async () => {
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

test('while draining, sessions end with a request to reconnect, and no other is opened', async () => {
  const gateway = await TestGateway.start()
  const client = gateway.connect()
  await gateway.sessions.drain()
  assert.ok(client.ended !== 'normally')
  assert.equal(client.ended?.code, 'shutting_down')
  assert.ok(client.ended.retryAfterMs > 0)
  assert.throws(() => gateway.connect(), { code: 'shutting_down' })
})
