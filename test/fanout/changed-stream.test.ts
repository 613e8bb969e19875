import assert from 'node:assert/strict'
import test from 'node:test'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from '../session/harness.ts'

test('a tail that starts beyond the end of a truncated log moves to the end, and other partitions are not affected', async () => {
  const broker = new ModelBroker('events', 2)
  const before = await TestGateway.start(broker)
  for (let i = 0; i < 10; i++) before.publish('a', `${i}`)
  const { tail } = broker
  const calls: unknown[] = []
  broker.tail = (stream, from, sink) => {
    calls.push(from)
    broker.cut(0, 4)
    const opened = tail.call(broker, stream, from, sink)
    return {
      add(...added) {
        calls.push(['add', ...added])
        opened.add(...added)
      },
      drop(...dropped) {
        calls.push(['drop', ...dropped])
        opened.drop(...dropped)
      },
      close: () => opened.close(),
    }
  }
  const gateway = await TestGateway.start(broker)
  const client = gateway.connect()
  client.subscribe(1, 'a')
  // A tail waits beyond the end, and reports it.
  gateway.stream.intake.end(0, 10, { first: 0, head: 4 })
  await gateway.clock.advance(1000)
  await settled()
  assert.deepEqual(calls, [
    [10, 0],
    ['drop', 0],
    ['add', 0, 4],
  ])
  gateway.publish('a', 'four again')
  await settled()
  assert.deepEqual(
    client.gaps.map(({ reason, from, to }) => [reason, from, to]),
    [['rewritten', 4, 9]],
  )
  assert.deepEqual(client.texts, ['four again'])
})

test('unusable records count as read: positions after them have their epoch', async () => {
  const broker = new ModelBroker('events', 1)
  const gateway = await TestGateway.start(broker)
  gateway.publish('a', 'usable')
  broker.epoch = 3
  broker.append(0, Buffer.from('a'), Buffer.from('no envelope'))
  broker.end(0)
  assert.equal(gateway.stream.partitions[0]!.positionAt(2).generation, 3)
})

test('while a partition waits beyond its end, the broker gets one question at a time, and none once the log is replaced', async () => {
  const broker = new ModelBroker('events', 2)
  const { stream, clock } = await TestGateway.start(broker)
  let asked = 0
  broker.offsets = async () => {
    asked++
    return { first: 0, head: 200 }
  }
  for (let head = 0; head < 50; head++) stream.intake.end(1, 100, { first: 0, head })
  await clock.advance(3000)
  assert.equal(asked, 3)
  broker.recreate(1)
  await clock.advance(5000)
  assert.deepEqual([asked, clock.waiting], [3, 0])
})

test('a stream that grows while the broker is asked for the end of a log does not stop the questions', async () => {
  const broker = new ModelBroker('events', 1)
  const { stream, clock } = await TestGateway.start(broker)
  stream.intake.end(0, 10, { first: 0, head: 4 })
  broker.offsets = async () => {
    if (broker.info.partitions === 1) broker.grow(2)
    throw new Error('no leader')
  }
  await clock.advance(1000)
  assert.equal(clock.waiting, 1)
})

test('new partitions are read even if a callback about them fails', async () => {
  const broker = new ModelBroker('events', 1)
  const gateway = await TestGateway.start(broker)
  const failing = (change: () => void) => assert.throws(change, /a fault/)
  gateway.sessions.replaceAll = () => {
    throw new Error('a fault')
  }
  const heads = () => gateway.stream.partitions.map(({ window }) => window.head)
  failing(() => broker.grow(2))
  for (const subject of 'abcdefgh') gateway.publish(subject, 'grown')
  assert.ok(heads()[1]! > 0)
  failing(() => broker.recreate(3))
  for (const subject of 'abcdefgh') gateway.publish(subject, 'made anew')
  assert.ok(heads()[2]! > 0)
})
