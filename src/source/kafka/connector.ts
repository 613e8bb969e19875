import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { type Broker, Kafka, type KafkaConfig, logLevel } from 'kafkajs'
import type { KafkaOptions } from './options.ts'

/**
 * What kafkajs gives us: connections that are opened and authenticated. A broker of its has two, the second for fetches,
 * so that a long poll holds up nothing else. Its typings leave out `connectionPool`, through which whole requests of our
 * own are sent; that, its broker factory and these members are all that we use beyond its public interface (2.2.4).
 */
export interface RawBroker extends Broker {
  readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>>
  readonly connectionPool: { readonly pool: readonly [RawConnection, RawConnection] }
}

export interface RawConnection {
  readonly socket?: Socket
  isConnected(): boolean
  connect(): Promise<unknown>
  disconnect(): Promise<unknown>
  rejectRequests(error: Error): void
  send(protocol: unknown): Promise<unknown>
  readonly requestQueue: { readonly pending: readonly unknown[]; scheduleCheckPendingRequests: () => void }
}

interface RawCluster {
  readonly brokerPool: {
    readonly connectionPoolBuilder: { build(address: { host: string; port: number; rack: null }): Promise<unknown> }
    createBroker(options: { connectionPool: unknown; logger: unknown }): RawBroker
    readonly rootLogger: unknown
  }
}

/** Makes brokers that share the options of security and time. */
export class Connector {
  readonly #pool: RawCluster['brokerPool']

  constructor(options: KafkaOptions) {
    const { clientId, connectTimeoutMs, tls, sasl } = options
    const config: KafkaConfig = {
      clientId,
      brokers: [...options.brokers],
      connectionTimeout: connectTimeoutMs,
      authenticationTimeout: connectTimeoutMs,
      // Each request has its own time limit in BrokerLink, which also ends the connection.
      enforceRequestTimeout: false,
      logLevel: logLevel.NOTHING,
      socketFactory: openSocket,
      ...(tls === undefined ? {} : { ssl: tls }),
      ...(sasl === undefined ? {} : { sasl }),
    }
    let cluster: unknown
    // The factory of an assigner is the one public place where kafkajs hands out its cluster; no group is ever joined.
    new Kafka(config).consumer({
      groupId: clientId,
      partitionAssigners: [
        (given) => {
          cluster = given.cluster
          return {
            name: 'none',
            version: 0,
            assign: () => Promise.resolve([]),
            protocol: () => ({ name: 'none', metadata: Buffer.alloc(0) }),
          }
        },
      ],
    })
    this.#pool = (cluster as RawCluster).brokerPool
  }

  /** A broker at `host:port`, not connected yet. */
  async broker(address: string): Promise<RawBroker> {
    const { rootLogger: logger } = this.#pool
    const connectionPool = await this.#pool.connectionPoolBuilder.build({ ...parseAddress(address), rack: null })
    const broker = this.#pool.createBroker({ connectionPool, logger })
    for (const connection of broker.connectionPool.pool) quietQueue(connection)
    return broker
  }
}

/**
 * From its first answer on, kafkajs looks every millisecond whether a request waits for the end of a quota's pause, also
 * where none does: a percent of a core for each connection. It needs to look only while one waits.
 */
function quietQueue({ requestQueue }: RawConnection): void {
  const schedule = requestQueue.scheduleCheckPendingRequests.bind(requestQueue)
  requestQueue.scheduleCheckPendingRequests = () => {
    if (requestQueue.pending.length > 0) schedule()
  }
}

const defaultPort = 9092

export function parseAddress(address: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]+))(?::(\d+))?$/.exec(address)
  const host = match?.[1] ?? match?.[2] ?? ''
  return { host, port: Number(match?.[3] ?? defaultPort) }
}

interface SocketRequest {
  readonly host: string
  readonly port: number
  readonly ssl: ConnectionOptions | boolean
  readonly onConnect: () => void
}

/** As kafkajs's own, but without Nagle's delay: a request is one write, and the next must not wait for an acknowledgement. */
function openSocket({ host, port, ssl, onConnect }: SocketRequest): Socket {
  const servername = isIP(host) === 0 ? { servername: host } : {}
  const socket = ssl
    ? connectTls({ host, port, ...servername, ...(ssl === true ? {} : ssl) }, onConnect)
    : connectTcp({ host, port }, onConnect)
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 60_000)
  return socket
}
