import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeToken } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from './harness.ts'

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
