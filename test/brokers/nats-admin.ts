import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream'
import { connect, type NatsConnection } from '@nats-io/transport-node'

/** Runs something as an operator of the server would, over a connection of its own. */
export async function administerNats<T>(
  server: string,
  run: (manager: JetStreamManager, connection: NatsConnection) => Promise<T>,
): Promise<T> {
  const connection = await connect({ servers: server, reconnect: false })
  try {
    return await run(await jetstreamManager(connection), connection)
  } finally {
    await connection.close()
  }
}
