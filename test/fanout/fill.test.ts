import assert from 'node:assert/strict'
import test from 'node:test'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from '../session/harness.ts'

const filling = { ageMs: 60_000, budgetMs: 800 }

async function brokerWith(events: number): Promise<ModelBroker> {
  const broker = new ModelBroker('events', 1)
  const gateway = await TestGateway.start(broker)
  for (let i = 0; i < events; i++) gateway.publish('a', `${i}`)
  return broker
}

const start = (broker: ModelBroker, entries = 64) => TestGateway.start(broker, {}, { entries, fill: filling })

test('a starting gateway has the newest stretch of each log in its windows, and continues from there', async () => {
  const broker = await brokerWith(30)
  const gateway = await start(broker)
  const { window } = gateway.stream.partitions[0]!
  assert.deepEqual([window.tail, window.head, window.size], [0, 30, 30])
  const before = broker.ranges
  const client = gateway.connect()
  client.ask(1, 'a', { last: 2 })
  await settled()
  gateway.publish('a', 'live')
  assert.deepEqual(client.texts, ['28', '29', 'live'])
  assert.equal(broker.ranges, before, 'from memory')
})

test('a window smaller than the log takes the newest part', async () => {
  const broker = await brokerWith(2000)
  const { window } = (await start(broker)).stream.partitions[0]!
  assert.equal(window.head, 2000)
  assert.equal(window.size, 64)
})

test('older records are left to read-back', async () => {
  const broker = await brokerWith(5)
  const first = await TestGateway.start(broker)
  broker.nowMs += 3_600_000
  first.publish('a', 'new')
  const gateway = new TestGateway(broker, {}, { fill: filling })
  await gateway.clock.advance(3_600_000)
  await gateway.feeds.start()
  const { window } = gateway.stream.partitions[0]!
  assert.deepEqual([window.tail, window.head], [5, 6])
})

test('retention that overtakes a fill leaves no hole in the window', async () => {
  const broker = await brokerWith(2000)
  const range = broker.range.bind(broker)
  broker.range = (...args) => {
    broker.retain(0, 1990)
    return range(...args)
  }
  const { window } = (await start(broker, 4096)).stream.partitions[0]!
  assert.deepEqual([window.tail, window.head, window.size], [1990, 2000, 10])
})

test('a broker that fails to deliver its past delays nothing', async () => {
  const broker = await brokerWith(5)
  broker.range = () => Promise.reject(new Error('not now'))
  const gateway = await start(broker)
  const { window } = gateway.stream.partitions[0]!
  assert.deepEqual([window.tail, window.head], [5, 5])
  assert.equal(gateway.stream.condition, 'up')
})

test('a slow broker fills what it can in time, and a slower one nothing', async () => {
  const broker = await brokerWith(3000)
  const range = broker.range.bind(broker)
  const slowly = async (ms: number, maxBytes: number) => {
    const gateway = new TestGateway(broker, {}, { entries: 4096, fill: filling })
    broker.range = async (info, asked, sink) => {
      await gateway.clock.advance(ms)
      return range(info, { ...asked, maxBytes }, sink)
    }
    await gateway.feeds.start()
    const { window } = gateway.stream.partitions[0]!
    return [window.tail, window.head]
  }
  assert.deepEqual(await slowly(700, 1 << 20), [1976, 3000])
  assert.deepEqual(await slowly(300, 1 << 12), [3000, 3000])
})

test('a broker that delays reads delays a starting gateway by one read at most', async () => {
  const broker = new ModelBroker('events', 4)
  const first = await TestGateway.start(broker)
  for (let i = 0; i < 40; i++) first.publish(`a${i}`, `${i}`)
  const range = broker.range.bind(broker)
  const held: (() => void)[] = []
  broker.range = async (...args) => {
    await new Promise<void>((resolve) => held.push(resolve))
    return range(...args)
  }
  const gateway = new TestGateway(broker, {}, { fill: filling })
  let isUp = false
  void gateway.feeds.start().then(() => {
    isUp = true
  })
  await settled()
  await gateway.clock.advance(1199)
  assert.equal(isUp, false)
  await gateway.clock.advance(1)
  assert.deepEqual([isUp, held.length], [true, 1])
  const heads = () => gateway.stream.partitions.map(({ window }) => [window.size, window.head, window.behindMs])
  const before = heads()
  for (const end of held) end()
  await settled()
  assert.deepEqual(heads(), before, 'what comes too late is none of its window')
  const client = gateway.connect()
  const late = gateway.stream.partitions[0]!
  const { ranges } = broker
  client.subscribe(1, '>', late.tokenAt(0))
  await settled()
  assert.ok(client.texts.length > 0, 'and is kept for who asks for it')
  assert.equal(broker.ranges, ranges)
  first.publish('a1', 'live')
  assert.equal(
    gateway.stream.partitions.reduce((sum, { window }) => sum + window.size, 0),
    1,
  )
})

test('what a fill that is cut off has read is kept: nothing of it is read again', async () => {
  const broker = await brokerWith(3000)
  const range = broker.range.bind(broker)
  const asked: number[] = []
  let msEach = 300
  const gateway = new TestGateway(broker, {}, { entries: 4096, fill: filling })
  broker.range = async (info, chunk, sink) => {
    asked.push(chunk.from)
    await gateway.clock.advance(msEach)
    return range(info, { ...chunk, maxBytes: 1 << 12 }, sink)
  }
  await gateway.feeds.start()
  const { window } = gateway.stream.partitions[0]!
  assert.deepEqual([window.tail, window.head], [3000, 3000])
  const [from] = asked
  assert.deepEqual(asked.length, 3)
  msEach = 0
  asked.length = 0
  const client = gateway.connect()
  client.subscribe(1, 'a', gateway.stream.partitions[0]!.tokenAt(from!))
  for (let i = 0; i < 60; i++) await settled()
  assert.deepEqual(client.texts.slice(0, 2), [`${from}`, `${from! + 1}`])
  assert.equal(client.texts.length, 3000 - from!)
  assert.ok(asked.every((each) => each > from! + 400))
})

test('a fill that is cut off on its way further back keeps the stretch that it had', async () => {
  const broker = await brokerWith(3000)
  const range = broker.range.bind(broker)
  const gateway = new TestGateway(broker, {}, { entries: 4096, fill: filling })
  let calls = 0
  broker.range = async (...args) => {
    // The broker gives the newest stretch at once, and holds back the second read for longer than there is time.
    if (++calls > 1) await new Promise<void>(() => {})
    return range(...args)
  }
  const starting = gateway.feeds.start()
  await settled()
  await gateway.clock.advance(2000)
  await starting
  const { window } = gateway.stream.partitions[0]!
  assert.deepEqual([window.tail, window.head], [1976, 3000])
})
