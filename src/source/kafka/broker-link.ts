import type { BrokerUse } from '../../base/broker-uses.ts'
import { connectionProblem, isRefusal, mechanismProblem, type Stage, saslCode } from './connection-problem.ts'
import { type BrokerConnector, clientIdOf, type RawBroker, type RawConnection } from './connector.ts'
import { ByteReader } from './encoding.ts'
import { FetchSize } from './fetch-size.ts'
import { mechanismsRequest } from './mechanisms-request.ts'
import { KafkaAnswerError } from './protocol-errors.ts'
import { QuotaPause } from './quota-pause.ts'
import type { KafkaRequest } from './request.ts'

/** The broker cannot be reached or does not answer. Its link has ended. */
export class BrokerAwayError extends Error {
  /** The message without the address. */
  readonly problem: string

  constructor(address: string, problem: string, cause?: unknown) {
    super(`broker ${address}: ${problem}`, cause === undefined ? undefined : { cause })
    this.name = 'BrokerAwayError'
    this.problem = problem
  }
}

/**
 * A quota is exceeded, and the broker pauses for longer than the caller waits. The link stays
 * open.
 */
export class BrokerPausedError extends BrokerAwayError {
  constructor(address: string, clientId: string, ms: number) {
    super(address, `it holds client id "${clientId}" back for another ${Math.ceil(ms / 1000)} s: its quota is used up`)
    this.name = 'BrokerPausedError'
  }
}

/** A timer that fires at least this late shows a blocked event loop, ms. */
const lateMs = 50

/**
 * The longest pause to wait for, ms. A broker derives the pause from its quota window, which is
 * 11 s by default.
 */
const maxPauseMs = 60_000

/** Time limits of an answer, and of the quota pause before it, ms. */
interface Patience {
  readonly timeoutMs: number
  readonly patienceMs: number
}

/** A connection of the link: one for short requests, one for fetches, which the broker holds. */
type Which = 0 | 1
const control = 0
const fetches = 1

const neededVersions = [
  { apiKey: 1, apiName: 'Fetch', version: 13 },
  { apiKey: 3, apiName: 'Metadata', version: 12 },
  { apiKey: 2, apiName: 'ListOffsets', version: 4 },
] as const

/**
 * The two connections to one broker. Every failure except a Kafka error code in an answer ends
 * the link; the caller then opens another one. kafkajs could reconnect by itself, but opens two
 * sockets when two requests do so at the same time.
 */
export class BrokerLink {
  readonly address: string
  /** Shared by all successive links to this broker. */
  readonly fetchSize: FetchSize
  readonly #connector: BrokerConnector
  readonly #broker: RawBroker
  readonly #use: BrokerUse
  #stage: Stage = 'opening'
  #fetchConnected: Promise<unknown> | undefined
  /** One for each connection. */
  readonly #pauses: readonly [QuotaPause, QuotaPause]
  #dropped: Error | undefined

  /**
   * Resolves when the broker is connected and authenticated, and supports the versions that
   * Carillon needs.
   */
  static async open(
    connector: BrokerConnector,
    address: string,
    use: BrokerUse,
    fetchSize = new FetchSize(),
  ): Promise<BrokerLink> {
    let opened: BrokerLink | undefined
    const throttled = (which: Which, ms: number) => {
      if (opened !== undefined) opened.#throttled(which, ms)
    }
    const broker = await connector.broker(address, use, throttled).catch(away(address))
    const link = new BrokerLink(connector, { address, use, fetchSize }, broker)
    opened = link
    const connected = broker.connect().catch((error) => link.#nameMechanisms(error))
    await link.#within('a connection', link.#connecting, control, connected)
    link.#stage = 'first request'
    for (const { apiKey, apiName, version } of neededVersions) {
      const has = link.#broker.versions[apiKey]?.maxVersion ?? -1
      if (has >= version) continue
      const error = new BrokerAwayError(
        address,
        `Carillon needs Kafka 3.1 or newer: the broker supports ${apiName} up to v${has}, not v${version}`,
      )
      link.drop(error)
      throw error
    }
    return link
  }

  private constructor(
    connector: BrokerConnector,
    { address, use, fetchSize }: { address: string; use: BrokerUse; fetchSize: FetchSize },
    broker: RawBroker,
  ) {
    this.#connector = connector
    this.address = address
    this.fetchSize = fetchSize
    this.#use = use
    this.#pauses = [new QuotaPause(connector.clock), new QuotaPause(connector.clock)]
    this.#broker = broker
  }

  get usable(): boolean {
    return this.#dropped === undefined && this.#connection(control).isConnected()
  }

  /**
   * Sends a short request on the connection without fetches. First waits up to `patienceMs` for
   * the end of a quota pause; rejects with a BrokerPausedError if the pause is longer.
   */
  async ask<T>(request: KafkaRequest<T>, timeoutMs: number, patienceMs = this.#askTimeoutMs): Promise<T> {
    await this.#paused(control, Math.max(0, patienceMs))
    return this.#within(
      request.apiName,
      { timeoutMs, patienceMs: Math.max(0, patienceMs) },
      control,
      this.#send(control, request),
    )
  }

  /** Resolves once no quota pause applies to fetches. */
  async unpaused(): Promise<void> {
    await this.#paused(fetches, Number.POSITIVE_INFINITY)
  }

  /** Sends a fetch after the end of every quota pause. The broker answers fetches in order. */
  async fetch<T>(request: KafkaRequest<T>, timeoutMs: number): Promise<T> {
    await this.unpaused()
    const connection = this.#connection(fetches)
    if (!connection.isConnected()) {
      const connected = () => this.#within('a connection', this.#connecting, fetches, connection.connect())
      this.#fetchConnected ??= connected().finally(() => {
        this.#fetchConnected = undefined
      })
      await this.#fetchConnected
    }
    const patience = { timeoutMs, patienceMs: maxPauseMs }
    return this.#within(request.apiName, patience, fetches, this.#send(fetches, request))
  }

  /** Ends both connections immediately. Requests in progress reject with `error`. */
  drop(error: Error): void {
    if (this.#dropped !== undefined) return
    this.#dropped = error
    for (const pause of this.#pauses) pause.giveUp()
    for (const connection of this.#broker.connectionPool.pool) {
      connection.rejectRequests(error)
      connection.disconnect().catch(() => {})
      connection.socket?.destroy()
    }
  }

  get #connecting(): Patience {
    const { connectTimeoutMs, askTimeoutMs } = this.#connector.options
    return { timeoutMs: connectTimeoutMs, patienceMs: askTimeoutMs }
  }

  get #askTimeoutMs(): number {
    return this.#connector.options.askTimeoutMs
  }

  #connection(which: Which): RawConnection {
    return this.#broker.connectionPool.pool[which]
  }

  /** Notes the pause that the broker asked for. */
  #throttled(which: Which, ms: number): void {
    if (ms <= 0) return
    this.#pauses[which].begin(ms)
    // Reports at most as long as the link waits.
    this.#connector.throttled(this.#use, this.address, Math.min(ms, maxPauseMs))
  }

  /**
   * Resolves at the end of the pause. A pause longer than `maxPauseMs` ends the link, because the
   * broker may read from a new connection.
   */
  async #paused(which: Which, patienceMs: number): Promise<void> {
    const pause = this.#pauses[which]
    if (pause.leftMs > patienceMs) throw this.#pausedError(which)
    const { clock } = this.#connector
    const latestMs = clock.monotonicMs() + maxPauseMs
    // Another caller on the same connection may receive the next pause in the meantime.
    while (pause.leftMs > 0 && this.#dropped === undefined && clock.monotonicMs() < latestMs) {
      await pause.wait(Math.min(pause.leftMs, latestMs - clock.monotonicMs()))
    }
    // A dropped link must not reopen its connections: nothing would close them.
    if (this.#dropped !== undefined) throw this.#dropped
    if (pause.leftMs <= 0) return
    const error = this.#pausedError(which)
    this.drop(error)
    throw error
  }

  #pausedError(which: Which): BrokerPausedError {
    const clientId = clientIdOf(this.#connector.options, this.#use)
    return new BrokerPausedError(this.address, clientId, this.#pauses[which].leftMs)
  }

  #send<T>(which: Which, { apiKey, apiName, apiVersion, body, decode }: KafkaRequest<T>): Promise<T> {
    const encoded = { buf: body, buffer: body }
    const throttled = (ms: number) => this.#throttled(which, ms)
    return this.#connection(which).send<T>({
      request: { apiKey, apiName, apiVersion, encode: () => Promise.resolve(encoded) },
      response: {
        decode: async (bytes: Buffer) => decode(new ByteReader(bytes), throttled),
        parse: (answer) => Promise.resolve(answer),
      },
      logResponseError: false,
    })
  }

  /** Adds the mechanisms that the broker offers to its refusal of ours. */
  async #nameMechanisms(error: Error & { code?: unknown }): Promise<never> {
    const { mechanism } = this.#connector.options.sasl
    if (error.code !== saslCode.unsupportedMechanism || mechanism === undefined) throw error
    // The broker has closed the first connection. A handshake on the second one asks for the
    // mechanisms.
    await this.#connection(fetches).connect()
    const offered = await this.#send(fetches, mechanismsRequest(mechanism))
    throw new BrokerAwayError(this.address, mechanismProblem(mechanism, offered), error)
  }

  #failed(error: Error): BrokerAwayError {
    const failed = new BrokerAwayError(
      this.address,
      connectionProblem(error, this.#stage, this.#connector.options),
      error,
    )
    if (isRefusal(error)) this.#connector.refused(this.address, this.#broker, failed)
    return failed
  }

  /**
   * Ends the link if the broker does not answer in time. If another answer on the connection
   * begins a quota pause in the meantime, the time counts again from the end of the pause. If
   * that is longer than the caller waits, the call rejects and the link stays open.
   */
  #within<T>(what: string, { timeoutMs, patienceMs }: Patience, which: Which, work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => {
        this.drop(error)
        reject(error)
      }
      const expired = () => fail(new BrokerAwayError(this.address, `no answer to ${what} within ${timeoutMs} ms`))
      const { clock } = this.#connector
      const pause = this.#pauses[which]
      let deadline = clock.monotonicMs() + timeoutMs
      const due = () => {
        const now = clock.monotonicMs()
        if (pause.leftMs > patienceMs) reject(this.#pausedError(which))
        else if (pause.untilMs + timeoutMs > deadline) {
          deadline = pause.untilMs + timeoutMs
          cancel = clock.after(deadline - now, due)
        } else if (now - deadline < lateMs) expired()
        // If this process was blocked, the answer may have arrived unread: Node polls sockets
        // before the next timer.
        else cancel = clock.after(lateMs, expired)
      }
      let cancel = clock.after(timeoutMs, due)
      work.then(
        (value) => {
          cancel()
          if (this.#stage === 'first request') this.#stage = 'later'
          resolve(value)
        },
        (error: Error) => {
          cancel()
          if (error instanceof KafkaAnswerError) reject(error)
          else fail(error instanceof BrokerAwayError ? error : this.#failed(error))
        },
      )
    })
  }
}

/** Throws the error of a connection that could not even be attempted. */
const away = (address: string) => (error: Error) => {
  throw error instanceof BrokerAwayError ? error : new BrokerAwayError(address, error.message, error)
}
