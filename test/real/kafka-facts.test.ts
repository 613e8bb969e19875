import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { openKafka } from '../../src/source/kafka/source.ts'
import type { OutRecord, Source, StreamInfo, Tail, Throttle } from '../../src/source/source.ts'
import { type KafkaCluster, kafkaAvailable, startKafka } from '../brokers/kafka.ts'
import { administer, createTopics, kafkaClient } from '../brokers/kafka-admin.ts'
import { runKafkaTool } from '../brokers/kafka-java.ts'
import { setClientQuotas } from '../brokers/kafka-quota.ts'
import { RangeCollector, TailCollector } from '../source/collector.ts'
import { oldEntry } from '../source/kafka-old-entry.ts'
import { until } from '../support/until.ts'

const skip = kafkaAvailable()
const patienceMs = 20_000
const basePort = 19110
const brokers = [`127.0.0.1:${basePort}`]

describe('a real Kafka', skip === undefined ? {} : { skip }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-kafka-'))
  const logged: string[] = []
  const throttles: Throttle[] = []
  const tails: Tail[] = []
  let cluster: KafkaCluster
  let source: Source

  before(async () => {
    const properties = { 'log.index.interval.bytes': '1', 'quota.window.num': '3' }
    cluster = await startKafka({ nodes: 1, basePort, dir, properties })
    source = await openKafka(
      { brokers },
      {
        log: (_, message) => void logged.push(message),
        throttled: (throttle) => void throttles.push(throttle),
      },
    )
  })

  after(async () => {
    await Promise.all(tails.map((tail) => tail.close()))
    await source?.close()
    await cluster?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  async function topic(name: string, config: Record<string, string> = {}): Promise<StreamInfo> {
    const configEntries = Object.entries(config).map(([key, value]) => ({ name: key, value }))
    await createTopics(brokers, [{ topic: name, numPartitions: 1, configEntries }])
    return until(`${name} exists`, patienceMs, () => source.describe(name))
  }

  function tailed(stream: StreamInfo, from = 0, through: Source = source): TailCollector {
    const collector = new TailCollector()
    tails.push(through.tail(stream, [from], collector))
    return collector
  }

  const count = (collector: TailCollector, n: number) =>
    until(`${n} records are shown`, patienceMs, () => collector.records.length >= n)

  test('what Java producers compress is read, with each codec', async () => {
    const lines = Array.from({ length: 2000 }, (_, i) => `line ${i} ${'x'.repeat(i % 300)}`)
    await Promise.all(
      ['gzip', 'snappy', 'lz4', 'zstd'].map(async (codec) => {
        const stream = await topic(`java-${codec}`)
        const batch = ['--compression-codec', codec, '--batch-size', '100000']
        const where = ['--bootstrap-server', brokers[0]!, '--topic', stream.name]
        await runKafkaTool('ConsoleProducer', [...where, ...batch], `${lines.join('\n')}\n`)
        const collector = tailed(stream)
        await count(collector, lines.length)
        assert.deepEqual(collector.values(), lines, codec)
        collector.assertWellFormed()
      }),
    )
  })

  test('what was aborted is not shown, and an open transaction holds the head back', async () => {
    const stream = await topic('transactions')
    const producer = kafkaClient(brokers).producer({ transactionalId: 'tx', maxInFlightRequests: 1, idempotent: true })
    await producer.connect()
    const begin = async (tag: string) => {
      const transaction = await producer.transaction()
      const messages = [0, 1, 2].map((i) => ({ value: `${tag}${i}` }))
      await transaction.send({ topic: stream.name, messages })
      return transaction
    }
    const collector = tailed(stream)
    await (await begin('a')).commit()
    await (await begin('b')).abort()
    await source.publish(stream, [record('plain')])
    const open = await begin('c')
    await source.publish(stream, [record('behind')])
    await count(collector, 4)
    assert.deepEqual(collector.values(), ['a0', 'a1', 'a2', 'plain'])
    await until('the head is that of the open transaction', patienceMs, () => collector.ends.get(0)?.offsets.head === 9)
    assert.equal((await source.offsets(stream, 0)).head, 9)
    await open.commit()
    await count(collector, 8)
    assert.deepEqual(collector.values().slice(4), ['c0', 'c1', 'c2', 'behind'])
    await until('the marker is passed', patienceMs, () => collector.ends.get(0)?.next === 14)
    await producer.disconnect()
    collector.assertWellFormed()
  })

  test("records carry the broker's time where the topic says so, else their producer's", async () => {
    const long = { 'retention.ms': '-1' }
    const old = 1_600_000_000_000
    const producer = kafkaClient(brokers).producer()
    await producer.connect()
    const times: number[] = []
    for (const type of ['CreateTime', 'LogAppendTime']) {
      const stream = await topic(`time-${type}`, { ...long, 'message.timestamp.type': type })
      await producer.send({ topic: stream.name, messages: [{ value: 'v', timestamp: String(old) }] })
      const collector = tailed(stream)
      await count(collector, 1)
      times.push(collector.records[0]!.timeMs)
    }
    await producer.disconnect()
    assert.equal(times[0], old)
    assert.ok(Math.abs(times[1]! - Date.now()) < 60_000, `${times[1]} is the broker's clock`)
  })

  test('topics that we create are stamped by the broker', async () => {
    await source.create('ours', 3)
    const { resources } = await administer(brokers, (admin) => {
      return admin.describeConfigs({ includeSynonyms: false, resources: [{ type: 2, name: 'ours' }] })
    })
    const type = resources[0]!.configEntries.find((entry) => entry.configName === 'message.timestamp.type')
    assert.equal(type?.configValue, 'LogAppendTime')
  })

  test('a topic that is re-created with more records than it had is read from its beginning', async () => {
    const old = await topic('again')
    await source.publish(old, letters('abcde'))
    const collector = tailed(old)
    await count(collector, 5)
    await administer(brokers, (admin) => admin.deleteTopics({ topics: ['again'] }))
    const anew = await until('it exists anew', patienceMs, async () => {
      const info = await topic('again')
      return info.incarnation !== old.incarnation && info
    })
    await until('it takes records', patienceMs, () => source.publish(anew, letters('ABCDEFGHIJ')))
    await count(collector, 15)
    assert.deepEqual(collector.values().join(''), 'abcdeABCDEFGHIJ')
    assert.deepEqual(collector.streams, [anew])
    assert.deepEqual(collector.losses, [])
  })

  test('a log start that moves past a reader between two chunks is told by the next', async () => {
    const stream = await topic('moved')
    for (const letter of 'abcdef') await source.publish(stream, [record(letter.repeat(500))])
    const before = await source.range(stream, { partition: 0, from: 0, to: 6, maxBytes: 600 }, new RangeCollector())
    assert.deepEqual(before.offsets, { first: 0, head: 6 })
    await administer(brokers, async (admin) => {
      await admin.fetchTopicOffsets('moved')
      await admin.deleteTopicRecords({ topic: 'moved', partitions: [{ partition: 0, offset: '4' }] })
    })
    const rest = new RangeCollector()
    const end = await source.range(stream, { partition: 0, from: before.next, to: 6, maxBytes: 1 << 20 }, rest)
    assert.equal(end.offsets.first, 4)
    assert.deepEqual(rest.offsets(), [4, 5])
  })

  test('records that are too many for one batch of the topic are written in smaller ones', async () => {
    const stream = await topic('small', { 'max.message.bytes': '2000' })
    const records = Array.from({ length: 20 }, (_, i) => record(`${i}`.padEnd(500, '.')))
    const acks = await source.publish(stream, records)
    assert.deepEqual(
      acks.map((ack) => ack.offset),
      records.map((_, i) => i),
    )
    await assert.rejects(source.publish(stream, [record('x'.repeat(3000))]), { code: 'event_too_large' })
  })

  test("what a broker refuses for good is told in the broker's own words, and not as if it were away", async () => {
    await source.create('a_b', 1)
    await assert.rejects(source.create('a.b', 1), {
      code: 'stream_unusable',
      message: /^topic a\.b: .*INVALID_TOPIC_EXCEPTION\); it said: Topic 'a\.b' collides with existing topics?: a_b$/,
    })
    const stream = await topic('compacted', { 'cleanup.policy': 'compact' })
    const startMs = performance.now()
    await assert.rejects(source.publish(stream, [{ ...record('x'), key: null }]), {
      code: 'stream_unusable',
      message:
        /^topic compacted, partition 0: .*INVALID_RECORD\); it said: .*Compacted topic cannot accept message without key/,
    })
    assert.ok(performance.now() - startMs < 5000, 'it is not tried again')
  })

  test('a gateway that starts before its broker says away, then reads', async () => {
    const port = basePort + 5
    const late = await openKafka({ brokers: [`127.0.0.1:${port}`], awayAfterMs: 100 }, { log: () => {} })
    await assert.rejects(late.describe('late'), {
      code: 'broker_unavailable',
      message: /127\.0\.0\.1:19115.*ECONNREFUSED/,
    })
    const collector = tailed({ name: 'late', incarnation: '0'.repeat(32), partitions: 1 }, 0, late)
    await until('it says away', patienceMs, () => collector.states.at(-1) === 'away')
    const properties = { 'default.replication.factor': '3' }
    const second = await startKafka({ nodes: 1, basePort: port, dir: join(dir, 'late'), properties })
    try {
      await assert.rejects(late.create('late', 1), {
        code: 'stream_unusable',
        message: /default\.replication\.factor .*; it said: Unable to replicate the partition 3 time/,
      })
      await createTopics([`127.0.0.1:${port}`], [{ topic: 'late', numPartitions: 1, replicationFactor: 1 }])
      await until('it says up', patienceMs, () => collector.states.at(-1) === 'up')
    } finally {
      await late.close()
      await second.stop()
    }
    assert.equal(collector.streams.length, 1)
  })

  test('closing the source rejects what still waits for its broker', async () => {
    const closing = await openKafka({ brokers: ['127.0.0.1:19119'], retryMs: 10 }, { log: () => {} })
    const stream = { name: 'any', incarnation: '0'.repeat(32), partitions: 1 }
    const waiting = [closing.publish(stream, letters('a')), closing.offsets(stream, 0)]
    const rejected = waiting.map((promise) => assert.rejects(promise, { code: 'broker_unavailable' }))
    await closing.close()
    await Promise.all(rejected)
  })

  test('a batch that is damaged on disk is told as lost, and the partition goes on', async () => {
    const stream = await topic('damaged')
    for (const letter of 'abc') await source.publish(stream, [record(letter.repeat(100)), record(letter.repeat(100))])
    // A clean end: after a crash the broker would find the damage itself and cut its log there.
    await cluster.shutDown(1)
    const folder = cluster.logDir(1, 'damaged', 0)
    const segment = join(folder, readdirSync(folder).find((name) => name.endsWith('.log'))!)
    const bytes = readFileSync(segment)
    bytes[bytes.indexOf('b'.repeat(100)) + 50] = 0x21
    writeFileSync(segment, bytes)
    await cluster.restart(1)
    const collector = tailed(stream)
    await count(collector, 4)
    assert.deepEqual(collector.losses, [{ partition: 0, from: 2, to: 3, reason: 'corrupt' }])
    assert.deepEqual(collector.offsets(), [0, 1, 4, 5])
    assert.ok(logged.some((message) => message.includes('damaged') && message.includes('2 to 3')))
    const ranged = new RangeCollector()
    let next = 0
    while (next < 6)
      next = (await source.range(stream, { partition: 0, from: next, to: 6, maxBytes: 1 << 20 }, ranged)).next
    assert.deepEqual(ranged.offsets(), [0, 1, 4, 5])
    assert.deepEqual(ranged.losses, [{ from: 2, to: 3, reason: 'corrupt' }])
    collector.assertWellFormed()
  })

  test("who has used up a quota reads on at the broker's pace, without a failure, and others as before", async () => {
    const stream = await topic('quota')
    await setClientQuotas(brokers[0]!, [
      { clientId: 'carillon-readback', name: 'consumer_byte_rate', value: 60_000 },
      { clientId: 'carillon-publish', name: 'producer_byte_rate', value: 60_000 },
    ])
    const collector = tailed(stream)
    throttles.length = 0
    const value = 'x'.repeat(20_000)
    for (let i = 0; i < 12; i++) await source.publish(stream, [record(value)])
    const ranged = new RangeCollector()
    for (let next = 0; next < 12; ) {
      next = (await source.range(stream, { partition: 0, from: next, to: 12, maxBytes: 60_000 }, ranged)).next
    }
    assert.deepEqual([ranged.offsets().length, ranged.losses], [12, []])
    await count(collector, 12)
    assert.deepEqual([...new Set(throttles.map(({ client }) => client))].sort(), [
      'carillon-publish',
      'carillon-readback',
    ])
  })

  test('records that a broker has kept in an older message format are told as unsupported, and the partition goes on', async () => {
    const stream = await topic('old')
    await source.publish(stream, letters('abc'))
    await cluster.shutDown(1)
    const folder = cluster.logDir(1, 'old', 0)
    const segment = join(folder, readdirSync(folder).find((name) => name.endsWith('.log'))!)
    const newer = readFileSync(segment)
    newer.writeBigInt64BE(4n, 0)
    // The broker makes its indexes anew.
    for (const name of readdirSync(folder)) if (name.endsWith('index')) rmSync(join(folder, name))
    writeFileSync(segment, Buffer.concat([oldEntry(0, 0, 'A'), oldEntry(1, 1, 'B'), oldEntry(1, 3, 'C'), newer]))
    await cluster.restart(1)
    const collector = tailed(stream)
    await count(collector, 3)
    assert.deepEqual(collector.losses, [{ partition: 0, from: 0, to: 3, reason: 'unsupported' }])
    assert.deepEqual(collector.offsets(), [4, 5, 6])
    assert.ok(logged.some((message) => message.includes('topic old: offsets 0 to 3')))
    const ranged = new RangeCollector()
    const chunk = { partition: 0, from: 1, to: 3, maxBytes: 1 << 20 }
    assert.equal((await source.range(stream, chunk, ranged)).next, 3)
    assert.deepEqual([ranged.offsets(), ranged.losses], [[], [{ from: 1, to: 2, reason: 'unsupported' }]])
    collector.assertWellFormed()
  })
})

const record = (value: string): OutRecord => ({ partition: 0, key: Buffer.from('key'), value: Buffer.from(value) })
const letters = (text: string) => [...text].map(record)
