import { Kafka, logLevel } from 'kafkajs'

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
