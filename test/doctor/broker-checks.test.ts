import assert from 'node:assert/strict'
import test from 'node:test'
import { CarillonError } from '../../src/base/errors.ts'
import { brokerChecks } from '../../src/doctor/broker-checks.ts'
import { type BrokerFacts, readBrokerFacts } from '../../src/doctor/broker-facts.ts'
import { embeddedChecks } from '../../src/doctor/embedded-checks.ts'
import type { Finding } from '../../src/doctor/finding.ts'
import { recordJudge } from '../../src/doctor/record-judge.ts'
import { defaultRoutes } from '../../src/routing/options.ts'
import { RoutingTable } from '../../src/routing/table.ts'
import type { KafkaSettings, NatsSettings } from '../../src/source/settings.ts'
import { encodeEvent } from '../../src/wire/envelope.ts'
import { streamFormatDefaults } from '../../src/wire/stream-format.ts'
import { ModelBroker } from '../model/broker.ts'
import { goodKafka as kafka, goodNats as nats, recent, streamFacts as streamOf } from './broker-facts.ts'

const hourMs = 3_600_000
const mib = 1 << 20
const reach = { fillAgeMs: 600_000, maxAgeMs: 0, windowBytes: 64 * mib }
const needs = { ...reach, maxEventBytes: mib, nowMs: 1e12 }

function check(name: string, facts: BrokerFacts, change: Partial<Parameters<typeof brokerChecks>[1]> = {}): Finding {
  const found = brokerChecks(facts, { ...needs, ...change }).filter((each) => each.check === name)
  assert.equal(found.length, 1, name)
  return found[0]!
}

const ofKafka = (name: string, change: Partial<KafkaSettings>) =>
  check(name, streamOf({ settings: { ...kafka, ...change } }))
const ofConfig = (check: string, name: string, value: string) =>
  ofKafka(check, { configs: new Map([...kafka.configs, [name, value]]) })
const ofNats = (name: string, change: Partial<NatsSettings>, extra = {}) =>
  check(name, { ...streamOf({ settings: { ...nats, ...change } }), name: 'nats://h:4222' }, extra)

test('streams that are set up well pass every check, on Kafka and on NATS', () => {
  const clock = 'broker clock'
  for (const settings of [kafka, nats]) {
    const monitor = { syncAlways: true, syncIntervalMs: undefined }
    const wrong = brokerChecks(streamOf({ settings }), { ...needs, monitor }).filter(({ level }) => level !== 'pass')
    // Kafka's answers carry no time.
    assert.deepEqual(
      wrong.map((each) => [each.check, each.level]),
      settings === kafka ? [[clock, 'unknown']] : [],
    )
  }
})

test("Kafka's replicas are judged by their number, those in sync, and those that an acknowledgement waits for", () => {
  const replicas = (count: number, brokers: number) => ofKafka('replication', { replicas: count, brokers }).level
  assert.deepEqual([replicas(1, 1), replicas(1, 3), replicas(2, 3), replicas(3, 3)], ['warn', 'fail', 'warn', 'pass'])
  const inSync = (count: number) => ofKafka('in sync', { inSync: count }).level
  assert.deepEqual([inSync(3), inSync(2), inSync(1)], ['pass', 'warn', 'fail'])
  assert.match(ofKafka('in sync', { leaderless: 1 }).figure, /^1 partition of 4 without a leader$/)
  const least = (value: string) => ofConfig('min.insync.replicas', 'min.insync.replicas', value)
  assert.deepEqual(
    ['1', '2', '3', '4'].map((value) => least(value).level),
    ['warn', 'pass', 'warn', 'fail'],
  )
  assert.equal(
    least('1').fix,
    'kafka-configs.sh --bootstrap-server h:9092 --alter --entity-type topics --entity-name carillon --add-config min.insync.replicas=2',
  )
})

test('retention is compared with what a starting gateway and its clients read back', () => {
  const age = (ms: number) => ofConfig('retention', 'retention.ms', String(ms)).level
  assert.deepEqual([age(599_999), age(600_000), age(hourMs), age(-1)], ['fail', 'warn', 'pass', 'pass'])
  const asked = check('retention', streamOf({}), { maxAgeMs: 200 * hourMs })
  assert.equal(asked.level, 'warn')
  assert.match(asked.fix, /retention\.ms=720000000$/)
  const size = (bytes: number) => ofConfig('retention size', 'retention.bytes', String(bytes)).level
  assert.deepEqual([size(64 * mib - 1), size(64 * mib), size(-1)], ['warn', 'pass', 'pass'])
  assert.match(
    ofNats('retention', { maxAgeMs: 1000 }).fix,
    /nats -s nats:\/\/h:4222 stream edit carillon-\$p --max-age=86400s/,
  )
  assert.equal(ofNats('retention', { maxAgeMs: undefined }).figure, 'unlimited')
  const one = streamOf({
    settings: { ...nats, layout: 'single', maxAgeMs: 1000 },
    info: { name: 'ORDERS', incarnation: 'i', partitions: 1 },
    topic: 'ORDERS',
  })
  assert.match(check('retention', { ...one, name: 'nats://h:4222' }).fix, /stream edit ORDERS --max-age=86400s/)
})

test('settings of a topic that lose events or mislead are findings', () => {
  assert.equal(ofConfig('cleanup', 'cleanup.policy', 'compact,delete').level, 'warn')
  assert.equal(ofConfig('record time', 'message.timestamp.type', 'CreateTime').level, 'warn')
  assert.equal(ofConfig('event size', 'max.message.bytes', '1000000').level, 'warn')
  assert.equal(ofConfig('unclean elections', 'unclean.leader.election.enable', 'true').level, 'fail')
  const blocked = [{ partition: 2, from: 17, offsets: 51 }]
  const held = check('open transactions', streamOf({ settings: { ...kafka, blocked } }))
  assert.deepEqual([held.level, held.figure], ['warn', '51 offsets in 1 partition held back'])
  assert.match(held.fix, /find-hanging --topic carillon;.* abort --topic carillon --partition 2 --start-offset 17$/)
  const ahead = check('broker clock', streamOf({ recent: { ...recent, newestMs: 1e12 + 60_000 } }))
  assert.deepEqual([ahead.level, ahead.figure], ['warn', '1 minute ahead of this host'])
})

test('settings of JetStream that lose events or mislead are findings', () => {
  assert.equal(ofNats('replication', { replicas: 1, current: 1 }).level, 'fail')
  assert.equal(ofNats('replication', { replicas: 1, clustered: false }).level, 'warn')
  assert.deepEqual([ofNats('in sync', { current: 2 }).level, ofNats('in sync', { current: 1 }).level], ['warn', 'fail'])
  assert.equal(ofNats('record limits', { maxRecordsPerSubject: 1 }).level, 'warn')
  assert.equal(ofNats('record limits', { maxRecords: 1e6 }).level, 'warn')
  const refused = ofNats('consumers', { maxConsumers: 3, consumerProblem: 'maximum consumers limit reached' })
  assert.deepEqual(
    [refused.level, refused.figure, refused.reason],
    ['fail', 'at most 3 a partition', 'the gateway cannot create one: maximum consumers limit reached'],
  )
  assert.equal(ofNats('discard', { discard: 'new' }).level, 'pass')
  assert.equal(ofNats('discard', { discard: 'new', maxBytes: 1e9 }).level, 'warn')
  assert.equal(ofNats('storage', { storage: 'memory' }).level, 'fail')
  assert.equal(ofNats('event size', { maxRecordBytes: 1000 }).level, 'warn')
  assert.equal(ofNats('broker clock', { clockOffsetMs: -5000 }).figure, '5,000 ms behind this host, ± 2 ms')
  assert.equal(ofNats('broker clock', { clockOffsetMs: -5000 }).level, 'warn')
  assert.equal(ofNats('sync', {}).level, 'unknown')
  const sync = (syncIntervalMs: number) => ofNats('sync', {}, { monitor: { syncAlways: false, syncIntervalMs } })
  assert.deepEqual([sync(120_000).level, sync(120_000).figure, sync(1000).level], ['warn', 'every 2 minutes', 'pass'])
})

test('the embedded log is judged by its file system', () => {
  const facts = { dir: '/d', retentionMs: 24 * hourMs, retentionBytes: 256 * mib, partitions: 4 }
  const storage = (type: number, freeBytes: number) => {
    return embeddedChecks({ ...facts, fileSystem: { type, freeBytes } }, reach).find(
      (each) => each.check === 'storage',
    )!
  }
  assert.equal(storage(0xef53, 1024 * mib).level, 'pass')
  assert.equal(storage(0xef53, 1023 * mib).level, 'warn')
  assert.equal(storage(0x01021994, 1e12).level, 'fail')
  assert.equal(storage(0x6969, 1e12).level, 'fail')
  const unseen = embeddedChecks({ ...facts, fileSystem: undefined }, reach).find((each) => each.check === 'storage')!
  assert.equal(unseen.level, 'unknown')
})

test('recent records are judged as by the gateway: a record in a partition that is not its key', async () => {
  const broker = new ModelBroker('carillon', 4)
  const routing = new RoutingTable(defaultRoutes)
  const judge = recordJudge('events', streamFormatDefaults, routing, mib)
  const streams = [{ name: 'events', topic: 'carillon', partitions: 4, judge }]
  const keys = Array.from({ length: 40 }, (_, i) => `a.s${i}`)
  const write = (partition: number, key: string) => {
    const value = encodeEvent({ subject: key, id: 'i' })
    return broker.publish(broker.info, [{ partition, key: Buffer.from(key), value }])
  }
  for (const key of keys) await write(routing.place(key, () => 4).partition!, key)
  const right = await readBrokerFacts(broker, streams)
  assert.deepEqual([right.streams[0]!.recent!.looked, right.streams[0]!.recent!.faults], [40, []])
  assert.equal(check('placement', right).level, 'pass')
  await write((routing.place('a.s0', () => 4).partition! + 1) % 4, 'a.s0')
  const wrong = await readBrokerFacts(broker, streams)
  const { level, figure, fix } = check('placement', wrong)
  assert.deepEqual([level, figure], ['fail', '1 of 41 recent records misplaced'])
  assert.notEqual(fix, '')
  await broker.publish(broker.info, [{ partition: 0, key: Buffer.from('k'), value: Buffer.from('no envelope') }])
  assert.match(check('records', await readBrokerFacts(broker, streams)).figure, /^1 of 42 recent records unusable$/)
})

test('at most the newest two hundred records of a partition are read', async () => {
  const broker = new ModelBroker('carillon', 1)
  const records = Array.from({ length: 1000 }, (_, i) => ({ partition: 0, key: Buffer.from(`k${i}`), value: null }))
  await broker.publish(broker.info, records)
  const seen: number[] = []
  const judge = ({ offset }: { offset: number }) => void seen.push(offset)
  await readBrokerFacts(broker, [{ name: 'events', topic: 'carillon', partitions: 1, judge }])
  assert.deepEqual([seen.length, seen[0], seen.at(-1)], [200, 800, 999])
})

test('an unreachable broker, a missing stream and hidden settings are findings', async () => {
  const away = { ...streamOf({}), problem: 'broker h:9092: connect ECONNREFUSED', streams: [] }
  assert.deepEqual(
    brokerChecks(away, needs).map(({ check, level }) => [check, level]),
    [['broker', 'fail']],
  )
  const none = brokerChecks(
    { ...streamOf({}), streams: [{ name: 'events', topic: 'carillon', create: 'create it' }] },
    needs,
  )
  assert.deepEqual(
    none.map(({ check, level, fix }) => [check, level, fix]),
    [
      ['broker', 'pass', ''],
      ['stream', 'fail', 'create it'],
    ],
  )
  const hidden = streamOf({ settings: { kind: 'refused', problem: 'may not DescribeConfigs' } })
  assert.deepEqual([check('settings', hidden).level, check('placement', hidden).level], ['unknown', 'pass'])
  const broker = new ModelBroker('carillon', 1)
  broker.describe = () => Promise.reject(new CarillonError('broker_unavailable', 'it is away'))
  const facts = await readBrokerFacts(broker, [
    { name: 'events', topic: 'carillon', partitions: 1, judge: () => undefined },
  ])
  assert.equal(facts.problem, 'it is away')
})
