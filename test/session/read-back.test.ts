import assert from 'node:assert/strict'
import test from 'node:test'
import type { ReadBackOptions } from '../../src/session/options.ts'
import { encodePosition } from '../../src/wire/token.ts'
import { ModelBroker } from '../model/broker.ts'
import { settled, TestGateway } from './harness.ts'

const dataBytes = 100

interface Setting {
  /** Approximate records in the window's index, and in memory. */
  readonly indexed?: number
  readonly inMemory?: number
}

function start(
  readBack: Partial<ReadBackOptions>,
  { indexed = 64, inMemory = 16 }: Setting = {},
  broker = new ModelBroker('events', 1),
) {
  return TestGateway.start(
    broker,
    {},
    {
      entries: indexed,
      payloadBytes: inMemory * 256,
      readBack,
    },
  )
}

const feedOf = (gateway: TestGateway) => gateway.stream.partitions[0]!
const counted = (gateway: TestGateway) => gateway.instruments.stream('events')
const tokenOf = (gateway: TestGateway, offset: number) =>
  encodePosition({ ...feedOf(gateway).positionAt(offset), generation: -1 })

/** Writes `count` events, over the subjects s0, s1, ... in turn. */
function publish(gateway: TestGateway, count: number, subjects = 1): void {
  for (let i = 0; i < count; i++) gateway.publish(`s${i % subjects}`, `${i}`.padEnd(dataBytes, '.'))
}

function cameBack(gateway: TestGateway, subject: string, offset: number) {
  const client = gateway.connect()
  client.subscribe(1, subject, tokenOf(gateway, offset))
  return client
}

const got = ({ texts }: { texts: string[] }) => texts.map((text) => Number.parseInt(text, 10))
const upTo = (from: number, to: number, step = 1) => {
  const numbers = []
  for (let number = from; number < to; number += step) numbers.push(number)
  return numbers
}

async function patiently(): Promise<void> {
  for (let i = 0; i < 60; i++) await settled()
}

test('a herd that returns at once costs one read of each stretch of the log, whatever its subjects', async () => {
  const [count, subjects, clients] = [2000, 50, 300]
  for (const indexed of [64, 4096]) {
    const gateway = await start({ chunkBytes: 16_384 }, { indexed })
    publish(gateway, count, subjects)
    const herd = upTo(0, clients).map((i) => cameBack(gateway, `s${i % subjects}`, 0))
    await patiently()
    for (const [i, client] of herd.entries()) assert.deepEqual(got(client), upTo(i % subjects, count, subjects))
    const { readBacks, readBackRecords, readBackWaiting } = counted(gateway)
    assert.ok(readBackRecords < 1.05 * count, `${readBackRecords} records of ${count}`)
    assert.deepEqual([readBackWaiting, readBacks], [0, gateway.broker.ranges])
  }
})

test('reads stay within the bytes a second, and the time with waiters is counted', async () => {
  const gateway = await start({ chunkBytes: 4096, bytesPerSecond: 8192 })
  publish(gateway, 1000)
  const client = cameBack(gateway, 's0', 0)
  await patiently()
  const { readBackBytes } = counted(gateway)
  assert.ok(readBackBytes > 4096 && readBackBytes <= 12_288, `${readBackBytes} at once`)
  assert.equal(counted(gateway).readBackWaiting, 1)
  await gateway.clock.advance(5000)
  const more = counted(gateway).readBackBytes - readBackBytes
  assert.ok(more > 4 * 8192 && more < 6 * 8192, `${more} in five seconds`)
  const { readBackThrottledMs } = counted(gateway)
  assert.ok(readBackThrottledMs > 3000 && readBackThrottledMs <= 5000, `${readBackThrottledMs} ms`)
  await gateway.clock.advance(60_000)
  await patiently()
  assert.deepEqual(got(client), upTo(0, 1000))
})

test('nothing is read back for a client that left while it waited', async () => {
  const gateway = await start({ chunkBytes: 4096, bytesPerSecond: 4096 })
  publish(gateway, 300)
  const client = cameBack(gateway, 's0', 0)
  await patiently()
  assert.equal(counted(gateway).readBackWaiting, 1)
  client.session.closed()
  assert.equal(counted(gateway).readBackWaiting, 0)
  const { ranges } = gateway.broker
  await gateway.clock.advance(60_000)
  assert.equal(gateway.broker.ranges, ranges)
})

test('a subscription queued after one that waits for read-back has its turn once that one is gone', async () => {
  const gateway = await start({ chunkBytes: 4096, bytesPerSecond: 1 })
  publish(gateway, 300, 2)
  const client = cameBack(gateway, 's0', 0)
  client.subscribe(2, 's1', tokenOf(gateway, feedOf(gateway).window.head - 4))
  await patiently()
  assert.equal(client.kinds.includes('live'), false)
  client.session.receive({ kind: 'unsubscribe', ref: 1 })
  await patiently()
  assert.deepEqual(client.kinds.slice(-3), ['delivery', 'delivery', 'live'])
})

test('records that are too old are one gap, and those young enough are delivered', async () => {
  const gateway = await start({ maxAgeMs: 60_000 })
  const nowMs = gateway.clock.nowUs() / 1000
  gateway.broker.nowMs = nowMs - 120_000
  publish(gateway, 200)
  gateway.broker.nowMs = nowMs - 30_000
  publish(gateway, 200)
  const client = cameBack(gateway, 's0', 50)
  await patiently()
  const gaps = client.gaps.map(({ refs, from, to, reason, certain }) => ({ refs, from, to, reason, certain }))
  assert.deepEqual(gaps, [{ refs: [1], from: 50, to: 199, reason: 'budget', certain: false }])
  assert.deepEqual(got(client), upTo(0, 200))
  assert.equal(client.kinds.at(-1), 'live')
})

test('the age floor of a log says nothing about its successor', async () => {
  const gateway = await start({ maxAgeMs: 60_000 })
  const nowMs = gateway.clock.nowUs() / 1000
  gateway.broker.nowMs = nowMs - 120_000
  publish(gateway, 200)
  const before = cameBack(gateway, 's0', 50)
  await patiently()
  assert.equal(before.gaps.length, 1)
  gateway.broker.nowMs = nowMs
  gateway.broker.recreate()
  publish(gateway, 300)
  const client = cameBack(gateway, 's0', 10)
  await patiently()
  assert.deepEqual([client.gaps, got(client)], [[], upTo(10, 300)])
})

test('the age floor of a log says nothing about the records it was rewritten with', async () => {
  const gateway = await start({ maxAgeMs: 60_000 })
  const nowMs = gateway.clock.nowUs() / 1000
  gateway.broker.nowMs = nowMs - 120_000
  publish(gateway, 200)
  const before = cameBack(gateway, 's0', 50)
  await patiently()
  assert.equal(before.gaps.length, 1)
  gateway.broker.nowMs = nowMs
  gateway.broker.rewrite(0, 50)
  publish(gateway, 300)
  const client = cameBack(gateway, 's0', 60)
  await patiently()
  assert.deepEqual([client.gaps, got(client)], [[], upTo(10, 300)])
})

test('age does not matter for records in memory, nor for clients that missed nothing', async () => {
  const gateway = await start({ maxAgeMs: 60_000, chunks: 1 }, { indexed: 1024 })
  const nowMs = gateway.clock.nowUs() / 1000
  gateway.broker.nowMs = nowMs - 50_000
  gateway.publish('quiet', 'once')
  publish(gateway, 100)
  const early = cameBack(gateway, 's0', 10)
  await patiently()
  assert.equal(early.gaps.length, 0)
  await gateway.clock.advance(30_000)
  const late = cameBack(gateway, 's0', 10)
  await patiently()
  const { tail } = feedOf(gateway).window
  assert.deepEqual(
    late.gaps.map(({ from, to, reason }) => ({ from, to, reason })),
    [{ from: 10, to: tail - 1, reason: 'budget' }],
  )
  assert.deepEqual(got(late), upTo(tail - 1, 100))
  const recent = cameBack(gateway, 's0', tail)
  const quiet = cameBack(gateway, 'quiet', 1)
  await patiently()
  assert.deepEqual([recent.gaps, quiet.gaps], [[], []])
  assert.equal(got(recent).length, 101 - tail)
})

test('a session gets the newest records that its budget suffices for, after a gap for the rest', async () => {
  const gateway = await start({ maxBytesPerSession: 30_000 })
  publish(gateway, 1000)
  const client = cameBack(gateway, 's0', 100)
  await patiently()
  assert.equal(client.gaps.length, 1)
  const [{ from, to, reason, certain }] = client.gaps
  assert.deepEqual({ from, reason, certain }, { from: 100, reason: 'budget', certain: false })
  assert.deepEqual(got(client), upTo(to + 1, 1000))
  assert.equal(client.kinds.indexOf('gap'), 2)
  const { tail, usedBytes, size } = feedOf(gateway).window
  const bytes = (tail - to) * (usedBytes / size)
  assert.ok(bytes > 29_000 && bytes < 31_000, `${bytes} bytes below what is in memory`)
})

test('each session is charged separately, whoever caused the read; one that has spent its budget gets the records in memory', async () => {
  const gateway = await start({ maxBytesPerSession: 30_000, chunks: 64 })
  publish(gateway, 1000)
  const clients = [cameBack(gateway, 's0', 900), cameBack(gateway, 's0', 900), cameBack(gateway, 's0', 900)]
  await patiently()
  for (const client of clients) {
    assert.deepEqual([client.gaps, got(client)], [[], upTo(900, 1000)])
    // Another ref of the same session over the same stretch: the remaining budget does not
    // suffice for it.
    client.subscribe(2, '*', tokenOf(gateway, 800))
  }
  await patiently()
  const before = clients[0]!.gaps[0].to
  for (const { gaps } of clients) {
    assert.deepEqual([gaps.length, gaps[0].refs, gaps[0].from, gaps[0].to], [1, [2], 800, before])
  }
  for (const client of clients) client.subscribe(3, '*', tokenOf(gateway, 500))
  await patiently()
  const { tail } = feedOf(gateway).window
  for (const { gaps, kinds } of clients) {
    const { refs, from, to } = gaps[1]
    assert.deepEqual([refs, from], [[3], 500])
    assert.ok(to <= tail - 1 && to >= tail - 20, `${to} of ${tail}`)
    assert.equal(kinds.at(-1), 'live')
  }
})

test('a session is charged the bytes in its chunks, not their capacity', async () => {
  const gateway = await start({ maxBytesPerSession: 30_000, chunkBytes: 16_384 })
  publish(gateway, 200)
  const client = gateway.connect()
  const missed = feedOf(gateway).window.tail - 20
  for (let ref = 1; ref <= 4; ref++) {
    client.subscribe(ref, '*', tokenOf(gateway, missed))
    await patiently()
  }
  assert.deepEqual([client.gaps, client.kinds.filter((kind) => kind === 'live').length], [[], 4])
  assert.deepEqual(got(client).slice(-(200 - missed)), upTo(missed, 200))
})

test('a session that falls behind again is measured again', async () => {
  const gateway = await start({ maxBytesPerSession: 30_000 })
  const client = gateway.connect()
  client.subscribe(1, 's0')
  for (const count of [70, 1000]) {
    client.room = 1
    publish(gateway, count)
    client.drain()
    await patiently()
  }
  const [{ to }] = client.gaps
  assert.equal(client.gaps.length, 1, 'the newest in one piece')
  assert.deepEqual(got(client).slice(-(999 - (to - 70))), upTo(to - 70 + 1, 1000))
  assert.ok(to < feedOf(gateway).window.tail - 50, 'and more than what is in memory')
})

test('a read includes some records that are in memory, so that they need not be read again when they leave', async () => {
  const gateway = await start({ chunkBytes: 16_384 }, { inMemory: 32 })
  publish(gateway, 40)
  const { tail, head } = feedOf(gateway).window
  cameBack(gateway, 's0', tail - 2)
  await settled()
  const chunkRecords = counted(gateway).readBackRecords
  assert.ok(chunkRecords > 2 + (head - tail) / 8 && chunkRecords < head - tail, `${chunkRecords} of ${head - tail}`)
})

test('rare events that the index knows are delivered from as far back as it reaches, at the cost of a chunk each', async () => {
  const gateway = await start({ maxBytesPerSession: 12_000, chunkBytes: 2048 }, { indexed: 2048 })
  publish(gateway, 1000, 250)
  const client = cameBack(gateway, 's3', 0)
  await patiently()
  assert.deepEqual([client.gaps, got(client)], [[], [3, 253, 503, 753]])
})

test('a pattern examines no more records in a slice than other readers, even if it matches none', async () => {
  const gateway = await start({ chunkBytes: 16_384 }, { indexed: 4096, inMemory: 2048 })
  publish(gateway, 2000)
  const client = cameBack(gateway, 'other.*', 0)
  let before = 0
  let slices = 0
  while (client.kinds.at(-1) !== 'live') {
    await new Promise((resolve) => setImmediate(resolve))
    const { scanned: looked } = gateway.instruments.gateway
    assert.ok(looked - before <= 129, `${looked - before} in one slice`)
    if (looked > before) slices++
    before = looked
  }
  assert.ok(before >= 2000 && slices >= 15, `${before} in ${slices} slices`)
})

test('records of another history than this gateway has read are not delivered before its tail has noticed', async () => {
  const gateway = await start({ chunkBytes: 4096 })
  publish(gateway, 200)
  gateway.broker.rewriteUnheard(0, 150)
  const client = cameBack(gateway, 's0', 100)
  await patiently()
  assert.ok(counted(gateway).readBacksFailed > 0)
  assert.deepEqual(got(client), upTo(100, 100 + got(client).length))
  assert.ok(got(client).length <= 50, `${got(client).length} records`)
})

for (const generations of ['ranges', 'times'] as const) {
  /**
   * A gateway that begins at the head of a log of this many records, and has read none of them.
   */
  const behind = async (count: number) => {
    const broker = new ModelBroker('events', 1)
    broker.generations = generations
    write(await start({}, {}, broker), count)
    return start({ chunkBytes: 4096 }, {}, broker)
  }
  /** Each record is stored a millisecond after the one before. */
  const write = (gateway: TestGateway, count: number) => {
    for (let i = 0; i < count; i++) {
      gateway.broker.nowMs++
      publish(gateway, 1)
    }
  }

  test(`records younger than the index but below it are not delivered before the tail has noticed (${generations})`, async () => {
    const gateway = await behind(200)
    write(gateway, 10)
    gateway.broker.nowMs += 1000
    gateway.broker.rewriteUnheard(0, 20)
    const clients = [cameBack(gateway, 's0', 20), cameBack(gateway, 's0', 100)]
    await patiently()
    for (const client of clients) assert.deepEqual([client.deliveries, client.gaps], [[], []])
    assert.ok(counted(gateway).readBacksFailed > 0)
    gateway.broker.rewrite(0, 20)
    write(gateway, 60)
    await gateway.clock.advance(1000)
    await patiently()
    for (const client of clients) assert.equal(client.deliveries.length, 60)
    const told = clients[1]!.gaps.map(({ reason, from }) => [reason, from])
    assert.deepEqual(told[0], ['rewritten', 20])
  })

  test(`records of a log that ends below the records read of it are not delivered before the tail has noticed (${generations})`, async () => {
    const gateway = await behind(100)
    gateway.broker.cut(0, 60)
    const client = cameBack(gateway, 's0', 20)
    await patiently()
    assert.deepEqual([feedOf(gateway).window.newestOffset, client.deliveries, client.gaps], [-1, [], []])
    assert.ok(counted(gateway).readBacksFailed > 0)
  })
}

test('a server clock that was set back delays nothing', async () => {
  const broker = new ModelBroker('events', 1)
  broker.generations = 'times'
  const gateway = await start({ chunkBytes: 4096 }, {}, broker)
  publish(gateway, 100)
  broker.nowMs -= 60_000
  publish(gateway, 100)
  const client = cameBack(gateway, 's0', 0)
  await patiently()
  assert.deepEqual([got(client).length, counted(gateway).readBacksFailed], [200, 0])
  const { readBacks } = counted(gateway)
  assert.ok(broker.ranges > readBacks, `${broker.ranges} reads for ${readBacks} chunks: it was asked what is there`)
})
