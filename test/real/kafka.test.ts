import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openKafka } from '../../src/source/kafka/source.ts'
import { type KafkaCluster, kafkaAvailable, startKafka } from '../brokers/kafka.ts'
import { administer } from '../brokers/kafka-admin.ts'
import { conformance } from '../source/conformance.ts'
import type { Harness } from '../source/conformance-run.ts'

const skip = kafkaAvailable()
const dir = mkdtempSync(join(tmpdir(), 'carillon-kafka-'))
const brokers = ['127.0.0.1:19080']
let cluster: KafkaCluster

const open = () => openKafka({ brokers, publishTimeoutMs: 3000 }, { log: () => {} })

const harness: Harness = {
  ...(skip === undefined ? {} : { skip }),
  start: async () => {
    cluster = await startKafka({ nodes: 1, basePort: 19080, dir })
  },
  stop: async () => {
    await cluster.stop()
    rmSync(dir, { recursive: true, force: true })
  },
  open,
  reopen: async (source) => {
    await source.close()
    return open()
  },
  delete: (_, stream) => administer(brokers, (admin) => admin.deleteTopics({ topics: [stream] })),
  retain: (_, { name: topic }, partition, from) => {
    return administer(brokers, async (admin) => {
      // Makes kafkajs look for the topic's leaders, without which it can't delete.
      await admin.fetchTopicOffsets(topic)
      return admin.deleteTopicRecords({ topic, partitions: [{ partition, offset: String(from) }] })
    })
  },
  grow: async (_, topic, count) => {
    await administer(brokers, (admin) => admin.createPartitions({ topicPartitions: [{ topic, count }] }))
  },
  outage: { begin: () => cluster.kill(1), end: () => cluster.restart(1) },
}

// A topic takes batches of 1,048,588 bytes unless told otherwise.
conformance('Kafka', harness, { largeValueBytes: 1_048_000 })
