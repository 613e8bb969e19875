import assert from 'node:assert/strict'
import test from 'node:test'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from './harness.ts'

/** Clients that were away, or between two polls, while their stream got more partitions. */

async function grown(transport: 'websocket' | 'poll') {
  const gateway = await TestGateway.start(new ModelBroker('events', 2))
  for (let i = 0; i < 8; i++) gateway.publish(`a.${i}`, `before ${i}`)
  const first = gateway.connect('poll')
  first.session.start(['a.>'], [])
  await settled()
  const token = first.session.token()
  first.session.closed()
  gateway.broker.grow(4)
  await settled()
  const resume = async (after: string = token) => {
    const client = gateway.connect(transport)
    if (transport === 'websocket') client.subscribe(1, 'a.>', after)
    else client.session.start(['a.>'], [after])
    for (let i = 0; i < 10; i++) await settled()
    return client
  }
  return { gateway, resume }
}

const after = Array.from({ length: 24 }, (_, i) => `after ${i}`)

for (const transport of ['websocket', 'poll'] as const) {
  test(`a token from before new partitions is told of them, and reads them from their beginning: ${transport}`, async () => {
    const { gateway, resume } = await grown(transport)
    for (const [i, text] of after.entries()) gateway.publish(`a.${i}`, text)
    const client = await resume()
    assert.deepEqual(
      client.gaps.map(({ reason, partition, from }) => [reason, partition, from]),
      [
        ['repartitioned', 2, 0],
        ['repartitioned', 3, 0],
      ],
    )
    assert.deepEqual(client.texts.sort(), after.toSorted())
  })

  test(`it is told of new partitions that are empty, too: subjects may have moved elsewhere: ${transport}`, async () => {
    const { resume } = await grown(transport)
    const client = await resume()
    assert.deepEqual(
      client.gaps.map(({ reason }) => reason),
      ['repartitioned', 'repartitioned'],
    )
  })
}

test('a token of later that leaves a new partition out is of another subject: that partition is unnamed', async () => {
  const { gateway, resume } = await grown('poll')
  const narrow = gateway.connect('poll')
  const subject = Array.from({ length: 100 }, (_, i) => `a.${i}`).find(
    (each) => gateway.routing.place(each, () => 4).partition === 0,
  )!
  for (const [i, text] of after.entries()) gateway.publish(`a.${i}`, text)
  narrow.session.start([subject], [])
  await settled()
  const client = await resume(narrow.session.token())
  assert.deepEqual(
    client.gaps.map(({ reason }) => reason),
    ['unnamed', 'unnamed', 'unnamed'],
  )
  assert.deepEqual(client.texts, [])
})

for (const transport of ['websocket', 'poll'] as const) {
  test(`partitions that come while the broker is asked for the start are read from theirs, without a gap: ${transport}`, async () => {
    const gateway = await TestGateway.start(new ModelBroker('events', 1))
    gateway.publish('a.0', 'before')
    const client = gateway.connect(transport)
    if (transport === 'websocket') client.subscribe(1, 'a.>', 'earliest')
    else client.session.start(['a.>'], ['earliest'])
    gateway.broker.grow(3)
    for (const [i, text] of after.entries()) gateway.publish(`a.${i}`, text)
    for (let i = 0; i < 10; i++) await settled()
    assert.deepEqual(client.gaps, [])
    assert.deepEqual(client.texts.sort(), ['before', ...after].sort())
    if (transport === 'poll') return
    assert.equal(client.frames.filter((frame) => 'live' in frame).length, 1)
    client.session.receive({ kind: 'unsubscribe', ref: 1 })
    for (const feed of gateway.stream.partitions) assert.deepEqual([feed.hub.size, feed.readers.size], [0, 0])
  })
}
