import assert from 'node:assert/strict'
import test from 'node:test'
import { BrokerAwayError, type BrokerLink } from '../../src/source/kafka/broker-link.ts'
import type { BrokerSet } from '../../src/source/kafka/broker-set.ts'
import { ByteReader } from '../../src/source/kafka/encoding.ts'
import { LeaderCalls } from '../../src/source/kafka/leader-calls.ts'
import type { TopicMetadata } from '../../src/source/kafka/metadata-request.ts'
import { kafkaDefaults } from '../../src/source/kafka/options.ts'
import { code, KafkaAnswerError } from '../../src/source/kafka/protocol-errors.ts'
import { Publisher } from '../../src/source/kafka/publisher.ts'
import type { KafkaRequest } from '../../src/source/kafka/request.ts'
import type { OutRecord } from '../../src/source/source.ts'
import { ManualClock, settled } from '../model/clock.ts'

const options = { ...kafkaDefaults, brokers: ['one:9092'] }
const sequenceAt = 53
const producerIdAt = 43

interface Batch {
  readonly node: number
  readonly records: number
  readonly producerId: bigint
  readonly sequence: number
}

/** A cluster whose brokers the test plays, with one topic of one partition. */
class Cluster {
  readonly clock = new ManualClock()
  readonly batches: Batch[] = []
  leader = 1
  /** Leader of partition 1, which few tests need; -1 = none. */
  other = -1
  topicId = 'first'
  topicError = 0
  /** Outcomes of the next produce requests. A number is an error code of the broker. */
  readonly faults: (number | 'lost')[] = []
  #identities = 0
  #head = 0

  readonly calls = new LeaderCalls(
    {
      link: (node: number) => Promise.resolve(this.#link(node)),
      metadata: () => Promise.resolve(this.#metadata()),
    } as unknown as BrokerSet,
    options,
    this.clock,
  )

  get stream() {
    return { name: 'events', incarnation: this.topicId, partitions: 2 }
  }

  #metadata(): TopicMetadata {
    const partitions = [this.leader, this.other].map((leader) => ({ leader, leaderEpoch: 0, replicas: 1, inSync: 1 }))
    return { brokers: [], error: this.topicError, topicId: this.topicId, partitions }
  }

  #link(node: number): BrokerLink {
    const link = {
      ask: async ({ apiName, body }: KafkaRequest<number>) => {
        if (apiName === 'InitProducerId') return { producerId: ++this.#identities, producerEpoch: 0 }
        const batch = batchOf(body)
        this.batches.push({ node, ...batch })
        if (node !== (batch.partition === 0 ? this.leader : this.other))
          throw new KafkaAnswerError(code.notLeader, 'produce')
        const fault = this.faults.shift()
        if (fault === 'lost') throw new BrokerAwayError('one:9092', 'no answer')
        if (fault !== undefined) throw new KafkaAnswerError(fault, 'produce')
        this.#head += batch.records
        return this.#head - batch.records
      },
    }
    return link as unknown as BrokerLink
  }
}

function batchOf(body: Buffer): { partition: number; producerId: bigint; sequence: number; records: number } {
  const reader = new ByteReader(body)
  reader.int16()
  reader.int16()
  reader.int32()
  reader.int32()
  reader.string()
  reader.int32()
  const partition = reader.int32()
  const batch = reader.bytes(reader.int32())
  return {
    partition,
    producerId: batch.readBigInt64BE(producerIdAt),
    sequence: batch.readInt32BE(sequenceAt),
    records: batch.readInt32BE(57),
  }
}

const records = (count: number, partition = 0): OutRecord[] =>
  Array.from({ length: count }, (_, i) => ({ partition, key: null, value: Buffer.from(`${i}`) }))
const large = (partition: number): OutRecord[] => [{ partition, key: null, value: Buffer.alloc(300_000) }]

test('a batch continues the sequence numbers of the records before it', async () => {
  const cluster = new Cluster()
  const publisher = new Publisher(options, cluster.calls, cluster.clock)
  await publisher.publish(cluster.stream, records(3))
  await publisher.publish(cluster.stream, records(2))
  await publisher.publish(cluster.stream, records(1))
  assert.deepEqual(
    cluster.batches.map(({ sequence }) => sequence),
    [0, 3, 5],
  )
})

test('a batch with an unknown outcome is repeated with the same sequence numbers', async () => {
  const cluster = new Cluster()
  const publisher = new Publisher(options, cluster.calls, cluster.clock)
  await publisher.publish(cluster.stream, records(3))
  cluster.faults.push('lost')
  const published = publisher.publish(cluster.stream, records(2))
  await settled()
  await cluster.clock.advance(options.maxRetryMs)
  assert.deepEqual(await published, [
    { partition: 0, offset: 3 },
    { partition: 0, offset: 4 },
  ])
  assert.deepEqual(
    cluster.batches.map(({ producerId, sequence }) => [producerId, sequence]),
    [
      [1n, 0],
      [1n, 3],
      [1n, 3],
    ],
  )
})

test('the sequence numbers of an abandoned batch are not reused', async () => {
  const cluster = new Cluster()
  const publisher = new Publisher(options, cluster.calls, cluster.clock)
  await publisher.publish(cluster.stream, records(1))
  cluster.faults.push(...new Array(100).fill('lost'))
  const failed = assert.rejects(publisher.publish(cluster.stream, records(1)), { code: 'broker_unavailable' })
  await settled()
  await cluster.clock.advance(options.publishTimeoutMs)
  await failed
  cluster.faults.length = 0
  await publisher.publish(cluster.stream, records(1))
  assert.deepEqual([cluster.batches.at(-1)!.producerId, cluster.batches.at(-1)!.sequence], [2n, 0])
})

test('a request follows its partition to another leader', async () => {
  const cluster = new Cluster()
  const publisher = new Publisher(options, cluster.calls, cluster.clock)
  await publisher.publish(cluster.stream, records(1))
  cluster.leader = 2
  const published = publisher.publish(cluster.stream, records(1))
  await settled()
  await cluster.clock.advance(options.maxRetryMs)
  assert.deepEqual(await published, [{ partition: 0, offset: 1 }])
  assert.deepEqual(
    cluster.batches.map(({ node }) => node),
    [1, 1, 2],
  )
})

test('a re-created topic accepts publications', async () => {
  const cluster = new Cluster()
  const publisher = new Publisher(options, cluster.calls, cluster.clock)
  const before = cluster.stream
  await publisher.publish(before, records(1))
  cluster.topicId = 'second'
  await publisher.publish(cluster.stream, records(1))
  await assert.rejects(publisher.publish(before, records(1)), { code: 'stream_missing' })
})

test('each publication to a partition without a leader fails at its own deadline, with the reason', async () => {
  const cluster = new Cluster()
  const publisher = new Publisher(options, cluster.calls, cluster.clock)
  const waited: number[] = []
  for (let i = 0; i < 5; i++) {
    const takenMs = cluster.clock.monotonicMs()
    const refused = {
      code: 'broker_unavailable',
      message: /^topic events, partition 1: the partition has no leader now \(LEADER_NOT_AVAILABLE\)$/,
    }
    void assert.rejects(publisher.publish(cluster.stream, large(1)), refused).then(() => {
      waited.push(cluster.clock.monotonicMs() - takenMs)
    })
    await cluster.clock.advance(1000)
  }
  for (let i = 0; i < 30; i++) await cluster.clock.advance(500)
  assert.equal(waited.length, 5)
  for (const ms of waited) assert.ok(ms > 8000 && ms <= options.publishTimeoutMs, `${ms} ms`)
  // Later publications have a deadline as well.
  const late = assert.rejects(publisher.publish(cluster.stream, large(1)), { code: 'broker_unavailable' })
  await cluster.clock.advance(options.publishTimeoutMs)
  await late
})

test('publications after a batch with an unknown outcome fail at their own deadline, too, and are not written afterwards', async () => {
  const cluster = new Cluster()
  const publisher = new Publisher(options, cluster.calls, cluster.clock)
  await publisher.publish(cluster.stream, records(1))
  cluster.faults.push(...new Array(100).fill('lost'))
  const failed: string[] = []
  const publish = (name: string, count: number) => {
    publisher.publish(cluster.stream, records(count)).catch((error) => failed.push(`${name} ${error.code}`))
  }
  publish('first', 1)
  await cluster.clock.advance(3000)
  publish('second', 2)
  await cluster.clock.advance(options.publishTimeoutMs - 3000)
  assert.deepEqual(failed, ['first broker_unavailable'])
  await cluster.clock.advance(3000)
  assert.deepEqual(failed, ['first broker_unavailable', 'second broker_unavailable'])
  cluster.faults.length = 0
  cluster.batches.length = 0
  await publisher.publish(cluster.stream, records(3))
  assert.deepEqual(
    cluster.batches.map(({ records: count }) => count),
    [3],
  )
})

test('partitions without a leader leave room for the others', async () => {
  const cluster = new Cluster()
  const own = { ...options, maxQueuedBytes: 2_000_000 }
  const publisher = new Publisher(own, cluster.calls, cluster.clock)
  const waiting: Promise<unknown>[] = []
  const stuck = () => void waiting.push(publisher.publish(cluster.stream, large(1)))
  assert.throws(
    () => {
      for (let i = 0; i < 10; i++) stuck()
    },
    { code: 'overloaded', message: /topic events, partition 1: expected at most \d+ bytes to wait for its leader/ },
  )
  assert.equal(waiting.length, 3)
  for (let i = 0; i < 10; i++) await publisher.publish(cluster.stream, large(0))
  const failed = waiting.map((each) => assert.rejects(each, { code: 'broker_unavailable' }))
  await cluster.clock.advance(options.publishTimeoutMs)
  await Promise.all(failed)
  // Failed publications no longer take room.
  cluster.other = 1
  for (let i = 0; i < 3; i++) stuck()
  await settled()
  await cluster.clock.advance(options.maxRetryMs)
  await Promise.all(waiting.slice(3))
})

test('a missing permission for a partition fails all of its waiting publications immediately', async () => {
  const cluster = new Cluster()
  cluster.topicError = code.topicAuthorizationFailed
  const publisher = new Publisher(options, cluster.calls, cluster.clock)
  const waiting = [1, 2, 3].map(() => publisher.publish(cluster.stream, large(0)))
  for (const each of waiting) await assert.rejects(each, { code: 'publish_forbidden' })
})
