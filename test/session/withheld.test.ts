import assert from 'node:assert/strict'
import test from 'node:test'
import { CarillonError } from '../../src/base/errors.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from './harness.ts'

const secret = 'broker kafka1.internal:9092: connect ECONNREFUSED 10.0.0.1:9092'

test('the cause of a missing stream is in the log, and in no frame', () => {
  const gateway = new TestGateway(new ModelBroker('events', 1))
  gateway.stream.detail = secret
  const client = gateway.connect()
  client.subscribe(1, 'a')
  const [error] = client.frames.flatMap((frame) => frame.error ?? [])
  assert.deepEqual([error.ref, error.code, error.retryAfterMs > 0], [1, 'broker_unavailable', true])
  assert.doesNotMatch(error.message, /kafka|ECONNREFUSED/)
  assert.ok(gateway.logged.some((line) => line.includes(secret)))
})

test('the cause of a failed start lookup is in the log, and in no frame', async () => {
  const gateway = await TestGateway.start()
  gateway.publish('a', 'x')
  gateway.broker.offsets = () => Promise.reject(new CarillonError('broker_unavailable', secret))
  const client = gateway.connect()
  client.subscribe(1, 'a', 'earliest')
  const poll = gateway.connect('poll')
  poll.session.start(['a'], ['earliest'])
  await settled()
  const [error] = client.frames.flatMap((frame) => frame.error ?? [])
  const { ended } = poll
  assert.ok(ended instanceof CarillonError)
  for (const { code, message } of [error, ended]) {
    assert.equal(code, 'broker_unavailable')
    assert.doesNotMatch(message, /kafka|ECONNREFUSED/)
  }
  assert.equal(gateway.logged.filter((line) => line.includes(secret)).length, 2)
})
