import type { Random } from '../../../src/base/random.ts'
import { type KafkaOptions, kafkaDefaults } from '../../../src/source/kafka/options.ts'
import type { KafkaNode } from './kafka-node.ts'

/** Publish options of the gateways of a history. */
export type PublishOptions = Pick<KafkaOptions, 'publishTimeoutMs' | 'publishBatchBytes' | 'maxQueuedBytes'>

const pick = <T>(random: Random, list: readonly T[]): T => list[Math.floor(random.next() * list.length)]!

export const publishOptions = (random: Random): PublishOptions => ({
  publishTimeoutMs: pick(random, [1500, 4000, kafkaDefaults.publishTimeoutMs]),
  publishBatchBytes: pick(random, [200, 600, kafkaDefaults.publishBatchBytes]),
  maxQueuedBytes: pick(random, [1000, kafkaDefaults.maxQueuedBytes, kafkaDefaults.maxQueuedBytes]),
})

/**
 * The defaults, except for options that make answers small, and polls rare: an idle history
 * consists mostly of polls.
 */
export function kafkaOptions(nodes: readonly KafkaNode[], batch: number, random: Random): KafkaOptions {
  const partitionBytes = batch === 1 ? 150 : batch === 3 ? 700 : kafkaDefaults.fetchPartitionBytes
  return {
    ...kafkaDefaults,
    brokers: nodes.slice(0, 2).map(({ address }) => address),
    fetchWaitMs: random.next() < 0.2 ? kafkaDefaults.fetchWaitMs : 2000,
    fetchPartitionBytes: partitionBytes,
    fetchBytes: random.next() < 0.5 ? partitionBytes * 2 : kafkaDefaults.fetchBytes,
  }
}
