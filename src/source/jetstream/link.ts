import { connect, errors, type NatsConnection, type NodeConnectionOptions } from '@nats-io/transport-node'
import type { LoopClock } from '../../base/clock.ts'
import { CarillonError } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import { backOffMs } from '../pause.ts'
import { authenticator, identity, tlsOptions } from './credentials.ts'
import type { NatsOptions } from './options.ts'
import { problemText } from './problems.ts'

/** The oldest supported nats-server: it has stream metadata and consumers created by name. */
const oldestServer = [2, 10] as const
/** Time for a suspected connection to answer a ping, ms. */
const probeMs = 1000

/**
 * Opens a connection, or rejects. The client library's function, unless a test provides a model.
 */
export type Dial = (options: NodeConnectionOptions) => Promise<NatsConnection>

/** Dependencies of a link. */
export interface LinkContext {
  readonly clock: LoopClock
  readonly random: Random
  readonly dial: Dial
}

export const dialServer: Dial = connect

export interface LinkOwner {
  up(connection: NatsConnection): void
  /** The connection ended or could not be opened; the link is opening the next one. */
  down(problem: string): void
  /** The server refused a publish to `subject`. It reports this separately from the publish. */
  denied(subject: string): void
}

/**
 * Keeps one connection open and opens another when it ends. The library's own reconnecting is off:
 * the users of a link decide what to send again and what to subscribe to, and the library replays
 * nothing.
 */
export class Link {
  /** Why there is no connection, for operators; '' while connected. */
  problem = 'not connected yet'
  current: NatsConnection | undefined
  readonly #options: NatsOptions
  readonly #clock: LoopClock
  readonly #random: Random
  readonly #connection: Dial
  readonly #host: LinkOwner | undefined
  readonly #waiting = new Set<() => void>()
  #started = false
  #closed = false
  #attempts = 0
  #cancelRetry: () => void = () => {}
  #connecting: Promise<void> | undefined

  constructor(options: NatsOptions, { clock, random, dial }: LinkContext, host?: LinkOwner) {
    this.#options = options
    this.#clock = clock
    this.#random = random
    this.#connection = dial
    this.#host = host
  }

  /** Starts connecting, and stays connected until closed. */
  start(): void {
    if (this.#started) return
    this.#started = true
    this.#connect()
  }

  /**
   * Returns the connection; waits up to `timeoutMs` for one, then rejects with
   * `broker_unavailable`.
   */
  connected(timeoutMs: number): Promise<NatsConnection> {
    this.start()
    if (this.current !== undefined) return Promise.resolve(this.current)
    return new Promise((resolve, reject) => {
      const settle = () => {
        cancel()
        this.#waiting.delete(settle)
        if (this.current !== undefined) resolve(this.current)
        else reject(this.unavailable())
      }
      const cancel = this.#clock.after(timeoutMs, settle)
      this.#waiting.add(settle)
      if (this.#closed) settle()
    })
  }

  unavailable(): CarillonError {
    return new CarillonError('broker_unavailable', this.problem)
  }

  /**
   * Closes `connection` if it does not answer a ping within `probeMs`, as with a frozen server.
   * Called when a request timed out.
   */
  async suspect(connection: NatsConnection): Promise<void> {
    if (connection !== this.current) return
    let cancel: () => void = () => {}
    const silence = new Promise<true>((resolve) => {
      cancel = this.#clock.after(probeMs, () => resolve(true))
    })
    const silent = await Promise.race([silence, connection.flush().then(() => false)]).catch(() => false)
    cancel()
    if (silent) void connection.close().catch(() => {})
  }

  async close(): Promise<void> {
    this.#closed = true
    this.problem = this.#withServers('this source was closed')
    this.#cancelRetry()
    for (const settle of [...this.#waiting]) settle()
    const { current } = this
    this.current = undefined
    await current?.close().catch(() => {})
    await this.#connecting
  }

  #connect(): void {
    this.#connecting = this.#dial().then(
      (connection) => this.#adopt(connection),
      (error) => this.#retry(error),
    )
  }

  async #dial(): Promise<NatsConnection> {
    const { servers, tls, clientName, inboxPrefix, connectTimeoutMs, pingMs } = this.#options
    const authentication = authenticator(this.#options)
    const options: NodeConnectionOptions = {
      servers: [...servers],
      name: clientName,
      inboxPrefix,
      timeout: connectTimeoutMs,
      reconnect: false,
      pingInterval: pingMs,
      maxPingOut: 2,
      noAsyncTraces: true,
      ignoreClusterUpdates: true,
      ...(authentication === undefined ? {} : { authenticator: authentication }),
      ...(tls === undefined ? {} : { tls: tlsOptions(tls) }),
    }
    const connection = await this.#connection(options)
    const version = connection.info?.version ?? ''
    if (isOld(version)) {
      await connection.close()
      throw new Error(`expected nats-server ${oldestServer.join('.')} or later, got ${version}; upgrade it`)
    }
    return connection
  }

  #adopt(connection: NatsConnection): void {
    if (this.#closed) {
      void connection.close().catch(() => {})
      return
    }
    // A server may close the connection right after its greeting.
    if (connection.isClosed()) {
      this.#retry(new Error('the connection ended'))
      return
    }
    this.current = connection
    this.problem = ''
    this.#attempts = 0
    void connection.closed().then((error) => this.#ended(connection, error))
    void this.#listen(connection)
    for (const settle of [...this.#waiting]) settle()
    this.#host?.up(connection)
  }

  /** Reports refused publishes until the connection ends. */
  async #listen(connection: NatsConnection): Promise<void> {
    for await (const status of connection.status()) {
      if (status.type !== 'error' || !(status.error instanceof errors.PermissionViolationError)) continue
      if (status.error.operation === 'publish') this.#host?.denied(status.error.subject)
    }
  }

  #ended(connection: NatsConnection, error: unknown): void {
    if (this.#closed || connection !== this.current) return
    this.current = undefined
    this.problem = this.#withServers(error instanceof Error ? this.#explain(error) : 'the connection ended')
    this.#host?.down(this.problem)
    this.#again()
  }

  #retry(error: unknown): void {
    if (this.#closed) return
    this.problem = this.#withServers(this.#explain(error))
    // The first report of a problem follows the first failed attempt.
    this.#host?.down(this.problem)
    this.#again()
  }

  #again(): void {
    const { retryMs, maxRetryMs } = this.#options
    const pauseMs = backOffMs(this.#attempts++, retryMs, maxRetryMs) * (0.8 + 0.4 * this.#random.next())
    this.#cancelRetry = this.#clock.after(pauseMs, () => this.#connect())
  }

  #withServers(problem: string): string {
    return `${serversOf(this.#options)}: ${problem}`
  }

  #explain(error: unknown): string {
    if (error instanceof errors.AuthorizationError || error instanceof errors.UserAuthenticationExpiredError) {
      return `the server refused ${identity(this.#options)} (${error.message})`
    }
    const text = problemText(error)
    if (/does not support 'tls'/.test(text))
      return 'expected a server with TLS, got one without: use nats:// or enable TLS on the server'
    if (error instanceof Error && isCertificateProblem(error)) {
      const trusted =
        this.#options.tls === undefined || this.#options.tls === true ? undefined : this.#options.tls.caFile
      const by = trusted === undefined ? "the system's authorities" : trusted
      return `the server's certificate is not signed by ${by} (${text}): set nats.tls.caFile to its certificate authority`
    }
    return text
  }
}

/** Returns the servers' addresses for messages, without credentials. */
export function serversOf({ servers, tls }: Pick<NatsOptions, 'servers' | 'tls'>): string {
  return `${tls === undefined ? 'nats' : 'tls'}://${servers.join(',')}`
}

function isOld(version: string): boolean {
  const [major, minor] = version.split('.').map(Number)
  if (major === undefined || minor === undefined || Number.isNaN(major + minor)) return false
  return major < oldestServer[0] || (major === oldestServer[0] && minor < oldestServer[1])
}

function isCertificateProblem(error: Error): boolean {
  const code = String((error as { code?: unknown }).code ?? (error.cause as { code?: unknown } | undefined)?.code ?? '')
  return /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(code) || /certificate|altnames/i.test(error.message)
}
