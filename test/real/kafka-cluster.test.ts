import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { openKafka } from '../../src/source/kafka/source.ts'
import type { Source, StreamInfo, Tail } from '../../src/source/source.ts'
import { type KafkaCluster, kafkaAvailable, startKafka } from '../brokers/kafka.ts'
import { administer, createTopics } from '../brokers/kafka-admin.ts'
import { runKafkaTool } from '../brokers/kafka-java.ts'
import { TailCollector } from '../source/collector.ts'
import { until } from '../support/until.ts'

const skip = kafkaAvailable()
const patienceMs = 40_000
const basePort = 19140
const brokers = [0, 1, 2].map((i) => `127.0.0.1:${basePort + i}`)

describe('three Kafka nodes', skip === undefined ? {} : { skip }, () => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-kafka-'))
  let cluster: KafkaCluster
  let source: Source
  let tail: Tail | undefined

  before(async () => {
    cluster = await startKafka({ nodes: 3, basePort, dir })
    // No regular look at the metadata: what goes wrong must be noticed by itself.
    const options = { brokers, publishTimeoutMs: 30_000, metadataRefreshMs: 600_000 }
    source = await openKafka(options, { log: () => {} })
  })

  after(async () => {
    await tail?.close()
    await source?.close()
    await cluster?.stop()
    rmSync(dir, { recursive: true, force: true })
  })

  async function topic(name: string, replicas: number[], config: Record<string, string> = {}): Promise<StreamInfo> {
    const configEntries = Object.entries(config).map(([key, value]) => ({ name: key, value }))
    const replicaAssignment = [{ partition: 0, replicas }]
    await createTopics(brokers, [{ topic: name, replicaAssignment, configEntries }])
    return until(`${name} exists`, patienceMs, () => source.describe(name))
  }

  const leader = (name: string) =>
    administer(brokers, async (admin) => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [name] })
      return topics[0]!.partitions[0]!
    })

  async function tailed(stream: StreamInfo): Promise<TailCollector> {
    await tail?.close()
    const collector = new TailCollector()
    tail = source.tail(stream, [0], collector)
    await until('the tail is up', patienceMs, () => collector.states.at(-1) === 'up')
    return collector
  }

  const publish = async (stream: StreamInfo, value: string) => {
    const [ack] = await source.publish(stream, [{ partition: 0, key: null, value: Buffer.from(value) }])
    return ack!.offset
  }

  /** Publishes numbers, one after the other, until stopped; the offset of each. */
  function writing(stream: StreamInfo) {
    const offsets: number[] = []
    let stopped = false
    const done = (async () => {
      for (let i = 0; !stopped; i++) {
        offsets.push(await publish(stream, String(i)))
        await delay(5)
      }
    })()
    return {
      offsets,
      stop: async () => {
        stopped = true
        await done
      },
    }
  }

  async function assertWhole(collector: TailCollector, offsets: readonly number[]): Promise<void> {
    await until('all is read', patienceMs, () => collector.records.length >= offsets.length)
    assert.deepEqual(
      collector.values(),
      offsets.map((_, i) => String(i)),
    )
    assert.deepEqual(collector.offsets(), offsets)
    assert.deepEqual(collector.losses, [])
    collector.assertWellFormed()
  }

  test('a leader that is killed costs neither a record nor a repetition', async () => {
    const stream = await topic('killed', [1, 2, 3])
    const collector = await tailed(stream)
    const writer = writing(stream)
    await until('records flow', patienceMs, () => collector.records.length > 50)
    await cluster.kill(1)
    const seen = collector.records.length
    await until('records flow again', patienceMs, () => collector.records.length > seen + 100)
    await cluster.restart(1)
    await writer.stop()
    await assertWhole(collector, writer.offsets)
  })

  test('a leader that freezes holds the reader up only until another is elected', async () => {
    const stream = await topic('frozen', [2, 3, 1])
    const collector = await tailed(stream)
    const writer = writing(stream)
    await until('records flow', patienceMs, () => collector.records.length > 50)
    cluster.freeze(2)
    try {
      const seen = collector.records.length
      await until('records flow again', 15_000, () => collector.records.length > seen + 100)
    } finally {
      cluster.resume(2)
    }
    await writer.stop()
    await assertWhole(collector, writer.offsets)
  })

  test('a log that an unclean election cut back is told as rewritten, from where the logs agree', async () => {
    const config = { 'min.insync.replicas': '1', 'unclean.leader.election.enable': 'true' }
    const stream = await topic('unclean', [1, 2], config)
    await until('both are in sync', patienceMs, async () => (await leader('unclean')).isr.length === 2)
    const collector = await tailed(stream)
    for (const value of ['a', 'b', 'c']) await publish(stream, value)
    await cluster.kill(2)
    await until('only the leader is in sync', patienceMs, async () => (await leader('unclean')).isr.length === 1)
    for (const value of ['d', 'e', 'f', 'g']) await publish(stream, value)
    await until('the reader has them', patienceMs, () => collector.records.length === 7)
    await cluster.kill(1)
    await cluster.restart(2)
    const topicAndPartition = ['--topic', 'unclean', '--partition', '0']
    await until('node 2 leads', patienceMs, async () => {
      if ((await leader('unclean')).leader === 2) return true
      await runKafkaTool('LeaderElectionCommand', [
        '--bootstrap-server',
        brokers[1]!,
        '--election-type',
        'UNCLEAN',
        ...topicAndPartition,
      ])
      return false
    })
    for (const value of ['D', 'E']) await publish(stream, value)
    await until('the new log is read', patienceMs, () => collector.values().at(-1) === 'E')
    assert.equal(collector.values().join(''), 'abcdefgDE')
    assert.deepEqual(collector.offsets(), [0, 1, 2, 3, 4, 5, 6, 3, 4])
    assert.deepEqual(collector.losses, [{ partition: 0, from: 3, to: 6, reason: 'rewritten' }])
    await cluster.restart(1)
  })
})
