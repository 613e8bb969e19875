import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, checkServerIdentity, connect as connectTls } from 'node:tls'
import { Kafka, type KafkaConfig, logLevel, type SASLOptions } from 'kafkajs'
import type { BrokerUse } from '../../base/broker-uses.ts'
import type { LoopClock } from '../../base/clock.ts'
import type { Throttle } from '../source.ts'
import { nameProblem, strangeAnswer } from './connection-problem.ts'
import type { KafkaOptions } from './options.ts'
import { readSecurity, type Security } from './security.ts'

/**
 * A kafkajs broker, which opens and authenticates connections. It has two, the second for
 * fetches, so that a fetch that the broker holds delays nothing else. kafkajs's typings leave out
 * `connectionPool`, through which BrokerLink sends complete requests. That, kafkajs's broker
 * factory and these members are all that Carillon uses beyond its public interface (2.2.4).
 */
export interface RawBroker {
  connect(): Promise<unknown>
  readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>>
  readonly connectionPool: { readonly pool: readonly [RawConnection, RawConnection] }
}

/** A request: its encoded body, and the decoder of its answer. */
export interface RawRequest<T> {
  readonly request: {
    readonly apiKey: number
    readonly apiName: string
    readonly apiVersion: number
    encode(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>
  }
  readonly response: { decode(bytes: Buffer): Promise<T>; parse(answer: T): Promise<T> }
  readonly logResponseError: boolean
}

export interface RawConnection {
  readonly socket?: Pick<Socket, 'destroy'>
  isConnected(): boolean
  connect(): Promise<unknown>
  disconnect(): Promise<unknown>
  rejectRequests(error: Error): void
  send<T>(request: RawRequest<T>): Promise<T>
}

/** Suffixes of `clientId`, so that each use has its own quota. */
const suffixes: Readonly<Record<BrokerUse, string>> = {
  questions: '',
  live: '-live',
  readback: '-readback',
  publish: '-publish',
}

/** Returns the client id for a use. */
export const clientIdOf = ({ clientId }: KafkaOptions, use: BrokerUse): string => clientId + suffixes[use]

/** Creates the connections for links to brokers: kafkajs's, or those of a model. */
export interface BrokerConnector {
  readonly options: KafkaOptions
  readonly clock: LoopClock
  /**
   * Returns a broker at `host:port`, not connected yet. Calls `throttled` with the pauses in
   * answers to kafkajs's own requests.
   */
  broker(address: string, use: BrokerUse, throttled: (connection: 0 | 1, ms: number) => void): Promise<RawBroker>
  /** Reports that the broker pauses a connection for `ms`, because a quota is exceeded. */
  throttled(use: BrokerUse, address: string, ms: number): void
  /** Reports that the broker refused our credentials. */
  refused(address: string, broker: RawBroker, error: Error): void
}

interface QueueingConnection {
  readonly requestQueue: {
    readonly pending: readonly unknown[]
    scheduleCheckPendingRequests: () => void
    /** `null` or undefined = the answer has no throttle time. */
    maybeThrottle: (ms: number | null | undefined) => void
  }
}

interface RawCluster {
  readonly brokerPool: {
    readonly connectionPoolBuilder: { build(address: { host: string; port: number; rack: null }): Promise<unknown> }
    createBroker(options: { connectionPool: unknown; logger: unknown }): RawBroker
    readonly rootLogger: unknown
  }
}

interface Refused {
  readonly error: Error
  readonly untilMs: number
  /** The refused credentials. */
  readonly sasl: Security['sasl']
}

/**
 * Creates brokers that share security and time-out options. Reads the credential files again for
 * each broker, so that a change applies from the next connection on.
 */
export class Connector implements BrokerConnector {
  readonly options: KafkaOptions
  readonly clock: LoopClock
  /** By address: brokers that refused our credentials. */
  readonly #refused = new Map<string, Refused>()
  readonly #used = new WeakMap<RawBroker, Security['sasl']>()
  readonly #throttled: (throttle: Throttle) => void

  constructor(options: KafkaOptions, clock: LoopClock, throttled: (throttle: Throttle) => void) {
    this.options = options
    this.clock = clock
    this.#throttled = throttled
  }

  /**
   * Returns a broker at `host:port`, not connected yet. Throws a SecurityError if a file cannot
   * be used. For `refusedMs` after the broker refused the credentials, and while they are the
   * same, throws its error again.
   */
  async broker(
    address: string,
    use: BrokerUse,
    throttled: (connection: 0 | 1, ms: number) => void,
  ): Promise<RawBroker> {
    const security = readSecurity(this.options)
    this.#admit(address, security.sasl)
    const pool = brokerPool(this.options, clientIdOf(this.options, use), security)
    const connectionPool = await pool.connectionPoolBuilder.build({ ...parseAddress(address), rack: null })
    const broker = pool.createBroker({ connectionPool, logger: pool.rootLogger })
    const [control, fetches] = broker.connectionPool.pool as unknown as readonly [
      QueueingConnection,
      QueueingConnection,
    ]
    quietQueue(control, (ms) => throttled(0, ms))
    quietQueue(fetches, (ms) => throttled(1, ms))
    this.#used.set(broker, security.sasl)
    return broker
  }

  throttled(use: BrokerUse, address: string, ms: number): void {
    this.#throttled({ use, client: clientIdOf(this.options, use), broker: address, ms })
  }

  refused(address: string, broker: RawBroker, error: Error): void {
    const untilMs = this.clock.monotonicMs() + this.options.refusedMs
    this.#refused.set(address, { error, untilMs, sasl: this.#used.get(broker) })
  }

  #admit(address: string, sasl: Security['sasl']): void {
    const refused = this.#refused.get(address)
    if (refused === undefined) return
    const same = refused.sasl?.username === sasl?.username && refused.sasl?.password === sasl?.password
    if (same && this.clock.monotonicMs() < refused.untilMs) throw refused.error
    this.#refused.delete(address)
  }
}

/** Returns kafkajs's broker factory, whose configuration is fixed. */
function brokerPool(options: KafkaOptions, clientId: string, { tls, sasl }: Security): RawCluster['brokerPool'] {
  const { connectTimeoutMs } = options
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
    ...(sasl === undefined ? {} : { sasl: sasl as SASLOptions }),
  }
  let cluster: unknown
  // The factory of a partition assigner is the only public interface through which kafkajs
  // exposes its cluster. No consumer group is joined.
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
  return (cluster as RawCluster).brokerPool
}

/**
 * After its first answer, kafkajs checks every millisecond whether a request waits for the end of
 * a quota pause, even if none does. That takes one percent of a core for each connection. This
 * limits the check to times when a request waits. BrokerLink keeps the pause itself, because a
 * request in that queue would count as unanswered.
 */
function quietQueue({ requestQueue }: QueueingConnection, throttled: (ms: number) => void): void {
  requestQueue.maybeThrottle = (ms) => throttled(ms ?? 0)
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

/**
 * Opens a socket as kafkajs does, but without Nagle's delay: each request is one write, and the
 * next must not wait for an acknowledgement.
 */
function openSocket({ host, port, ssl, onConnect }: SocketRequest): Socket {
  const socket = ssl
    ? connectTls({ ...tlsOptions(host, ssl === true ? {} : ssl), host, port }, onConnect)
    : connectTcp({ host, port }, onConnect)
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 60_000)
  // Checked before kafkajs, which would take any four bytes for a length and wait for that many
  // bytes.
  socket.once('data', (bytes: Buffer) => {
    const problem = strangeAnswer(bytes)
    if (problem !== undefined) socket.destroy(new Error(problem))
  })
  return socket
}

/**
 * An IP address is not sent as the TLS server name (RFC 6066, section 3), but the certificate
 * must contain it.
 */
function tlsOptions(host: string, given: ConnectionOptions): ConnectionOptions {
  const servername = given.servername ?? (isIP(host) === 0 ? host : '')
  const wanted = given.servername ?? host
  return {
    ...given,
    servername,
    checkServerIdentity: (_, certificate) => {
      const error = checkServerIdentity(wanted, certificate) as NodeJS.ErrnoException | undefined
      if (error !== undefined) error.message = nameProblem(wanted, certificate.subjectaltname)
      return error
    },
  }
}
