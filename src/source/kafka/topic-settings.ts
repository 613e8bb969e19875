import type { Clock } from '../../base/clock.ts'
import type { BlockedPartition, KafkaSettings } from '../settings.ts'
import type { BrokerSet } from './broker-set.ts'
import { configsRequest } from './configs-request.ts'
import { KafkaAnswerError } from './protocol-errors.ts'

/**
 * Returns the settings of a topic: its replicas from the metadata, its configuration from
 * DescribeConfigs, which may need an ACL.
 */
export async function topicSettings(
  brokers: BrokerSet,
  topic: string,
  timeoutMs: number,
): Promise<Omit<KafkaSettings, 'blocked'>> {
  const metadata = await brokers.metadata(topic)
  if (metadata.error !== 0) throw new KafkaAnswerError(metadata.error, `topic ${topic}`)
  const { partitions } = metadata
  const link = await brokers.any()
  const configs = await link.ask(configsRequest(topic), timeoutMs)
  return {
    kind: 'kafka',
    brokers: metadata.brokers.length,
    replicas: Math.min(...partitions.map(({ replicas }) => replicas)),
    inSync: Math.min(...partitions.map(({ inSync }) => inSync)),
    leaderless: partitions.filter(({ leader }) => leader < 0).length,
    configs,
  }
}

/** The end of a log, and the head for read-committed readers. */
export interface LogEnds {
  readonly end: number
  readonly head: number
}

/** A transaction that ends within this time does not count as a block, ms. */
const secondLookMs = 1000

/**
 * Returns the partitions whose head did not move for a second although there are records after
 * it.
 */
export async function lastingBlocks(
  ask: (partition: number) => Promise<LogEnds>,
  partitions: number,
  clock: Clock,
): Promise<BlockedPartition[]> {
  const held = new Map<number, number>()
  for (let partition = 0; partition < partitions; partition++) {
    const { end, head } = await ask(partition)
    if (end > head) held.set(partition, head)
  }
  if (held.size > 0) await new Promise<void>((resolve) => clock.after(secondLookMs, resolve))
  const blocked: BlockedPartition[] = []
  for (const [partition, before] of held) {
    const { end, head } = await ask(partition)
    if (end > head && head === before) blocked.push({ partition, from: head, offsets: end - head })
  }
  return blocked
}
