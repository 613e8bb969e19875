import { type ITopicConfig, Kafka, logLevel } from 'kafkajs'
import { until } from '../support/until.ts'

/** How long a broker may take to hear of a new topic, ms. */
const patienceMs = 20_000

/** A kafkajs client for what tests do to a cluster behind the source's back; quiet, and quick to give up. */
export function kafkaClient(brokers: readonly string[]): Kafka {
  return new Kafka({
    clientId: 'test',
    brokers: [...brokers],
    logLevel: logLevel.NOTHING,
    connectionTimeout: 1000,
    requestTimeout: 10_000,
    retry: { initialRetryTime: 50, retries: 8, maxRetryTime: 500 },
  })
}

type Admin = ReturnType<Kafka['admin']>

/** Runs one administrative request with a connection of its own. */
export async function administer<T>(brokers: readonly string[], request: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = kafkaClient(brokers).admin()
  await admin.connect()
  try {
    return await request(admin)
  } finally {
    await admin.disconnect()
  }
}

/** Creates topics, and waits until each partition has a leader. kafkajs's own wait fails where a broker has not heard of the topic yet. */
export async function createTopics(brokers: readonly string[], topics: ITopicConfig[]): Promise<void> {
  await administer(brokers, async (admin) => {
    await admin.createTopics({ topics, waitForLeaders: false })
    await until('the topics have leaders', patienceMs, async () => {
      const known = await admin.fetchTopicMetadata({ topics: topics.map(({ topic }) => topic) })
      return known.topics.every(
        ({ partitions }) => partitions.length > 0 && partitions.every(({ leader }) => leader > 0),
      )
    })
  })
}
