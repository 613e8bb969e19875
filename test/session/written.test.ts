import assert from 'node:assert/strict'
import test from 'node:test'
import { decodeToken } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from './harness.ts'

const offsets = (token: string) =>
  decodeToken(token).flatMap(({ partition, offset }) => (partition === 0 ? [offset] : []))

test('each write carries the position after it, and a session advances only past accepted writes: missed, lost and live', async () => {
  const broker = new ModelBroker('events', 1)
  const gateway = await TestGateway.start(broker)
  const begun = gateway.connect('sse')
  begun.session.start(['a'], [])
  gateway.publish('a', '1')
  gateway.publish('a', '2')
  gateway.publish('b', '3')
  const client = gateway.connect('sse')
  Object.assign(client, { room: 1, refuses: true })
  client.session.start(['a'], [begun.openedAt!])
  await settled()
  const stands = () => ({ frames: client.stood.flatMap(offsets), session: offsets(client.session.token()) })
  assert.deepEqual(stands(), { frames: [1], session: [1] }, 'the second was refused')
  client.drain()
  await settled()
  assert.deepEqual(stands(), { frames: [1, 2, 3], session: [3] }, 'the last one is the frame that says `live`')
  Object.assign(client, { room: 0, refuses: true })
  gateway.publish('a', '4')
  assert.deepEqual(stands(), { frames: [1, 2, 3], session: [3] }, 'the live one was refused')
  client.drain()
  await settled()
  assert.deepEqual(stands(), { frames: [1, 2, 3, 4], session: [4] })
  Object.assign(client, { room: 0, refuses: true })
  broker.damage(0)
  gateway.publish('a', '6')
  await settled()
  assert.deepEqual(stands(), { frames: [1, 2, 3, 4], session: [4] }, 'the gap was refused')
  client.drain(1)
  await settled()
  assert.deepEqual(stands(), { frames: [1, 2, 3, 4, 5], session: [5] }, 'the gap was taken, and no more')
  client.drain()
  await settled()
  assert.deepEqual(stands(), { frames: [1, 2, 3, 4, 5, 6], session: [6] })
})

test('records below a refused event are not examined again', async () => {
  const gateway = await TestGateway.start(new ModelBroker('events', 1))
  const begun = gateway.connect('sse')
  begun.session.start(['a'], [])
  for (const subject of ['b', 'b', 'a']) gateway.publish(subject, 'x')
  const client = gateway.connect('sse')
  Object.assign(client, { room: 0, refuses: true })
  client.session.start(['a'], [begun.openedAt!])
  await settled()
  assert.deepEqual(offsets(client.session.token()), [2])
  client.drain()
  await settled()
  assert.deepEqual(client.stood.flatMap(offsets), [3, 3])
})

for (const generations of ['ranges', 'times'] as const) {
  test(`${generations}: the first event of a possible other history is a turn, missed and live, however often it is refused`, async () => {
    const broker = new ModelBroker('events', 1)
    broker.generations = generations
    const gateway = await TestGateway.start(broker)
    const publishOn = (more: 'soon' | 'turned', subject = 'a') => {
      if (generations === 'ranges') broker.epoch += more === 'turned' ? 1 : 0
      else broker.nowMs += more === 'turned' ? 1000 : 999
      gateway.publish(subject, more)
    }
    publishOn('soon')
    const begun = gateway.connect('sse')
    begun.session.start(['a'], [])
    publishOn('soon')
    publishOn('turned', 'b')
    publishOn('soon')
    publishOn('soon')
    publishOn('turned')
    const client = gateway.connect('sse')
    Object.assign(client, { room: 2, refuses: true })
    client.session.start(['a'], [begun.openedAt!])
    await settled()
    client.drain()
    await settled()
    const given = (from: number) => client.wroteAs.slice(from).filter((kind) => kind !== 'control')
    assert.deepEqual(given(0), ['delivery', 'turn', 'delivery', 'turn'])
    const taken = client.wroteAs.length
    publishOn('soon')
    Object.assign(client, { room: 0 })
    publishOn('turned')
    client.drain()
    await settled()
    publishOn('soon')
    publishOn('turned')
    assert.deepEqual(given(taken), ['delivery', 'turn', 'delivery', 'turn'])
  })
}

test('a client that starts where the generation below is unknown gets a turn first', async () => {
  const broker = new ModelBroker('events', 1)
  const gateway = await TestGateway.start(broker)
  const client = gateway.connect('sse')
  client.session.start(['a'], ['earliest'])
  await settled()
  gateway.publish('a', '1')
  gateway.publish('a', '2')
  assert.deepEqual(client.wroteAs, ['control', 'turn', 'delivery'])
})

test('the position after an event that is read back has its generation, even if the window does not reach back to it', async () => {
  const broker = new ModelBroker('events', 1)
  const first = await TestGateway.start(broker)
  first.publish('a', '1')
  broker.epoch++
  first.publish('a', '2')
  const gateway = await TestGateway.start(broker)
  const client = gateway.connect('sse')
  client.session.start(['a'], ['earliest'])
  for (let i = 0; i < 10; i++) await settled()
  const generations = client.stood
    .flatMap(decodeToken)
    .flatMap((each) => (each.partition === 0 ? [each.generation] : []))
  assert.deepEqual(generations.slice(0, 2), [0, 1])
})
