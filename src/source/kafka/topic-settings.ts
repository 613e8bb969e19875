import type { KafkaSettings } from '../settings.ts'
import type { BrokerSet } from './broker-set.ts'
import { KafkaAnswerError } from './protocol-errors.ts'

/** Kafka's number for topics among the things that have a configuration. */
const topicResource = 2

/** What the cluster says of a topic: its copies by the metadata, its configuration by DescribeConfigs, which an ACL may forbid. */
export async function topicSettings(brokers: BrokerSet, topic: string, timeoutMs: number): Promise<KafkaSettings> {
  const metadata = await brokers.metadata(topic)
  if (metadata.error !== 0) throw new KafkaAnswerError(metadata.error, `topic ${topic}`)
  const { partitions } = metadata
  const link = await brokers.any()
  const answer = await link.call('DescribeConfigs', timeoutMs, (broker) => {
    return (broker as unknown as ConfiguredBroker).describeConfigs({
      resources: [{ type: topicResource, name: topic }],
    })
  })
  const entries = answer.resources.flatMap(({ configEntries }) => configEntries)
  return {
    kind: 'kafka',
    brokers: metadata.brokers.length,
    replicas: Math.min(...partitions.map(({ replicas }) => replicas)),
    inSync: Math.min(...partitions.map(({ inSync }) => inSync)),
    leaderless: partitions.filter(({ leader }) => leader < 0).length,
    configs: new Map(entries.map(({ configName, configValue }) => [configName, configValue ?? ''])),
  }
}

interface ConfiguredBroker {
  describeConfigs(request: { resources: readonly { type: number; name: string }[] }): Promise<{
    resources: readonly { configEntries: readonly { configName: string; configValue: string | null }[] }[]
  }>
}
