import assert from 'node:assert/strict'
import test from 'node:test'
import { CarillonError } from '../../src/base/errors.ts'
import { allowAll, type Grant } from '../../src/identity/grant.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from './harness.ts'

/** Grants subscriptions to `a` only. */
const onlyA: Grant = {
  ...allowAll,
  checkSubscribe(subject) {
    if (subject !== 'a') throw new CarillonError('publish_forbidden', `not for you: ${subject}`)
  },
}

test('a subscription that its grant refuses is an error of its ref, and others go on', async () => {
  const gateway = await TestGateway.start()
  const client = gateway.connect('websocket', onlyA)
  client.subscribe(1, 'a')
  client.subscribe(2, 'b')
  client.subscribe(3, '>')
  gateway.publish('a', 'yes')
  gateway.publish('b', 'no')
  await settled()
  assert.deepEqual(client.texts, ['yes'])
  const refused = client.frames.flatMap(({ error }) => (error === undefined ? [] : [error.ref]))
  assert.deepEqual(refused, [2, 3])
})

test('a client without access to a subject does not learn the state of its stream', () => {
  const gateway = new TestGateway(new ModelBroker('events', 1))
  const client = gateway.connect('websocket', onlyA)
  client.subscribe(1, 'a')
  client.subscribe(2, 'b')
  const codes = client.frames.flatMap(({ error }) => (error === undefined ? [] : [error.code]))
  assert.deepEqual(codes, ['broker_unavailable', 'publish_forbidden'])
})

test('an SSE request with one refused subject is refused as a whole', async () => {
  const gateway = await TestGateway.start()
  for (const transport of ['sse', 'poll'] as const) {
    const client = gateway.connect(transport, onlyA)
    assert.throws(() => client.session.start(['a', 'b'], []), { code: 'publish_forbidden' })
  }
})
