import assert from 'node:assert/strict'
import test from 'node:test'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from '../session/harness.ts'

const filling = { ageMs: 60_000, budgetMs: 800 }

/** A gateway that serves two partitions, and a subject of each. */
async function setUp() {
  const broker = new ModelBroker('events', 2)
  const gateway = await TestGateway.start(broker, {}, { fill: filling })
  const place = (subject: string) => gateway.feeds.partitionsFor(subject)[0]!.partition
  const names = [...'abcdefgh']
  const there = names.find((name) => place(name) === 0)!
  const away = names.find((name) => place(name) === 1)!
  return { broker, gateway, stream: gateway.stream, there, away }
}

test("a partition that was left is not read, and clients can't subscribe there", async () => {
  const { gateway, stream, there, away } = await setUp()
  gateway.publish(away, 'before')
  await stream.leave(1)
  gateway.publish(away, 'unread')
  const client = gateway.connect()
  client.subscribe(1, away)
  client.subscribe(2, there)
  gateway.publish(there, 'here')
  assert.deepEqual(
    client.frames.flatMap(({ error }) => (error === undefined ? [] : [[error.ref, error.code]])),
    [[1, 'broker_unavailable']],
  )
  assert.deepEqual(client.texts, ['here'])
  const { phase, window } = stream.partitions[1]!
  assert.deepEqual([phase, window.size, window.indexed], ['absent', 0, 0])
  assert.deepEqual(stream.heads(), [1, undefined])
})

test('a partition that is taken again has the newest stretch of its log, and continues from there', async () => {
  const { gateway, stream, away } = await setUp()
  gateway.publish(away, 'one')
  await stream.leave(1)
  gateway.publish(away, 'two')
  const taken = stream.take(1)
  await settled()
  await taken
  gateway.publish(away, 'three')
  const client = gateway.connect()
  client.ask(1, away, { last: 3 })
  await settled()
  gateway.publish(away, 'four')
  assert.deepEqual(client.texts, ['one', 'two', 'three', 'four'])
  assert.equal(stream.partitions[1]!.phase, 'live')
})

test("a partition with readers can't be left", async () => {
  const { gateway, stream, away } = await setUp()
  const client = gateway.connect()
  client.subscribe(1, away)
  await assert.rejects(stream.leave(1), /1 readers are left in partition 1/)
  gateway.publish(away, 'still')
  assert.deepEqual(client.texts, ['still'])
})

test('requests for a partition are carried out in order', async () => {
  const { gateway, stream, away } = await setUp()
  gateway.publish(away, 'one')
  const left = [stream.leave(1), stream.take(1), stream.leave(1)]
  await settled()
  await Promise.all(left)
  assert.equal(stream.partitions[1]!.phase, 'absent')
  const taken = [stream.take(1), stream.leave(1), stream.take(1), stream.take(1)]
  await settled()
  await Promise.all(taken)
  assert.equal(stream.partitions[1]!.phase, 'live')
  assert.equal(stream.partitions[1]!.window.size, 1)
})

test('if the log is created again during a fill, the partition is filled from the new one', async () => {
  const { broker, gateway, stream, away } = await setUp()
  for (const text of ['old', 'old too']) gateway.publish(away, text)
  await stream.leave(1)
  const range = broker.range.bind(broker)
  let first = true
  broker.range = (...args) => {
    if (first) broker.recreate()
    first = false
    return range(...args)
  }
  const taken = stream.take(1)
  await settled()
  await taken
  gateway.publish(away, 'new')
  const { window, phase } = stream.partitions[1]!
  assert.deepEqual([phase, window.tail, window.head, window.size], ['live', 0, 1, 1])
})

test("a partition that can't be filled while the broker is away stays absent, and may be taken later", async () => {
  const { broker, gateway, stream, away } = await setUp()
  gateway.publish(away, 'one')
  await stream.leave(1)
  const { offsets } = broker
  broker.offsets = () => Promise.reject(new Error('no leader'))
  await assert.rejects(stream.take(1), /no leader/)
  assert.equal(stream.partitions[1]!.phase, 'absent')
  broker.offsets = offsets
  const taken = stream.take(1)
  await settled()
  await taken
  assert.equal(stream.partitions[1]!.window.size, 1)
})

test('a tail that waited beyond the end of a log does not resume there after the partition was left', async () => {
  const { broker, gateway, stream } = await setUp()
  stream.intake.end(1, 2, { first: 0, head: 0 })
  await stream.leave(1)
  await gateway.clock.advance(5000)
  broker.append(1, null, null)
  assert.equal(stream.partitions[1]!.window.head, 0)
  const taken = stream.take(1)
  await settled()
  await taken
  assert.equal(stream.partitions[1]!.window.head, 1)
})

test('a partition that was left has no figures of its log', async () => {
  const { gateway, stream } = await setUp()
  stream.intake.end(1, 2, { first: 1, head: 9 })
  await stream.leave(1)
  await gateway.clock.advance(60_000)
  const { first, head, unreadAgeMs } = gateway.serving.status()[0]!.partitions[1]!
  assert.deepEqual([first, head, unreadAgeMs], [0, 0, 0])
})
