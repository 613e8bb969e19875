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
 * What kafkajs gives us: connections that are opened and authenticated. A broker of its has two, the second for fetches,
 * so that a long poll holds up nothing else. Its typings leave out `connectionPool`, through which whole requests of our
 * own are sent; that, its broker factory and these members are all that we use beyond its public interface (2.2.4).
 */
export interface RawBroker {
  connect(): Promise<unknown>
  readonly versions: Readonly<Record<number, { readonly minVersion: number; readonly maxVersion: number }>>
  readonly connectionPool: { readonly pool: readonly [RawConnection, RawConnection] }
}

/** A request of any kind: its body as bytes, and what makes something of the answer's. */
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

/** What a client id has behind `clientId`, so that each use has a quota of its own. */
const suffixes: Readonly<Record<BrokerUse, string>> = {
  questions: '',
  live: '-live',
  readback: '-readback',
  publish: '-publish',
}

/** By which client id brokers know that use. */
export const clientIdOf = ({ clientId }: KafkaOptions, use: BrokerUse): string => clientId + suffixes[use]

/** Where the links to brokers get their connections: kafkajs's, or a model's. */
export interface BrokerConnector {
  readonly options: KafkaOptions
  readonly clock: LoopClock
  /** A broker at `host:port`, not connected yet; `throttled` hears of the pauses that answers to kafkajs's own requests ask for. */
  broker(address: string, use: BrokerUse, throttled: (connection: 0 | 1, ms: number) => void): Promise<RawBroker>
  /** The broker leaves a connection unread for so long, because a quota is used up. */
  throttled(use: BrokerUse, address: string, ms: number): void
  /** The broker refused our credentials. */
  refused(address: string, broker: RawBroker, error: Error): void
}

interface QueueingConnection {
  readonly requestQueue: {
    readonly pending: readonly unknown[]
    scheduleCheckPendingRequests: () => void
    /** `null` or undefined = the answer says nothing of it. */
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
  /** Which it refused. */
  readonly sasl: Security['sasl']
}

/**
 * Makes brokers that share the options of security and time. Files of credentials are read anew for each, so that a changed
 * one counts from the next connection on.
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
   * A broker at `host:port`, not connected yet. Throws a SecurityError when a file is of no use, and, for `refusedMs` after
   * the broker has refused the credentials that are still the same, its error again.
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

/** kafkajs's factory of brokers, which has its configuration once and for all. */
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
  return (cluster as RawCluster).brokerPool
}

/**
 * From its first answer on, kafkajs looks every millisecond whether a request waits for the end of a quota's pause, also
 * where none does: a percent of a core for each connection. It needs to look only while one waits. The pause itself is ours to keep: what
 * waited in that queue would count as unanswered.
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

/** As kafkajs's own, but without Nagle's delay: a request is one write, and the next must not wait for an acknowledgement. */
function openSocket({ host, port, ssl, onConnect }: SocketRequest): Socket {
  const socket = ssl
    ? connectTls({ ...tlsOptions(host, ssl === true ? {} : ssl), host, port }, onConnect)
    : connectTcp({ host, port }, onConnect)
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 60_000)
  // Kept from kafkajs, which would take any four bytes for a length and wait for so many more.
  socket.once('data', (bytes: Buffer) => {
    const problem = strangeAnswer(bytes)
    if (problem !== undefined) socket.destroy(new Error(problem))
  })
  return socket
}

/** An address is no name to ask a TLS server for (RFC 6066, section 3), but one that its certificate must have. */
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
