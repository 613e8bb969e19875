import assert from 'node:assert/strict'
import test from 'node:test'
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
