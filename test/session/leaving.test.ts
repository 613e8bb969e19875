import assert from 'node:assert/strict'
import test from 'node:test'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from './harness.ts'

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
