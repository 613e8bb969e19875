import { connectionProblem, isRefusal, mechanismProblem, type Stage, saslCode } from './connection-problem.ts'
import type { BrokerConnector, RawBroker, RawConnection } from './connector.ts'
import { ByteReader } from './encoding.ts'
import { mechanismsRequest } from './mechanisms-request.ts'
import { KafkaAnswerError } from './protocol-errors.ts'
import type { KafkaRequest } from './request.ts'

/** A broker that can't be reached or doesn't answer; the link to it is gone. */
export class BrokerAwayError extends Error {
  /** Without the address. */
  readonly problem: string

  constructor(address: string, problem: string, cause?: unknown) {
    super(`broker ${address}: ${problem}`, cause === undefined ? undefined : { cause })
    this.name = 'BrokerAwayError'
    this.problem = problem
  }
}

/** A timer that fires this much late tells of a stuck event loop, ms. */
const lateMs = 50

const neededVersions = [
  { apiKey: 1, apiName: 'Fetch', version: 13 },
  { apiKey: 3, apiName: 'Metadata', version: 12 },
  { apiKey: 2, apiName: 'ListOffsets', version: 4 },
] as const

/**
 * The two connections to one broker. Any failure but an error that the broker itself answered ends the link: whoever needs
 * the broker opens another. kafkajs would reconnect by itself, but opens two sockets when two requests do so at once.
 */
export class BrokerLink {
  readonly address: string
  readonly #connector: BrokerConnector
  readonly #broker: RawBroker
  #stage: Stage = 'opening'
  #fetchConnected: Promise<unknown> | undefined
  /** Until then the broker leaves fetches unread: they used up a quota. */
  #mutedUntilMs = 0
  #dropped: Error | undefined

  /** Resolves when the broker is connected, authenticated and known to speak what we need. */
  static async open(connector: BrokerConnector, address: string, timeoutMs: number): Promise<BrokerLink> {
    const link = new BrokerLink(connector, address, await connector.broker(address).catch(away(address)))
    const connected = link.#broker.connect().catch((error) => link.#nameMechanisms(error))
    await link.#within('a connection', timeoutMs, connected)
    link.#stage = 'first request'
    for (const { apiKey, apiName, version } of neededVersions) {
      const has = link.#broker.versions[apiKey]?.maxVersion ?? -1
      if (has >= version) continue
      const error = new BrokerAwayError(
        address,
        `needs Kafka 3.1 or newer: it speaks ${apiName} v${has}, not v${version}`,
      )
      link.drop(error)
      throw error
    }
    return link
  }

  private constructor(connector: BrokerConnector, address: string, broker: RawBroker) {
    this.#connector = connector
    this.address = address
    this.#broker = broker
  }

  get usable(): boolean {
    return this.#dropped === undefined && this.#control.isConnected()
  }

  /** Sends a short question on the connection that no fetch holds up. */
  ask<T>(request: KafkaRequest<T>, timeoutMs: number): Promise<T> {
    return this.#within(request.apiName, timeoutMs, this.#send(this.#control, request))
  }

  /** The broker asks for a pause between fetches (KIP-219), ms. */
  throttled(ms: number): void {
    this.#mutedUntilMs = this.#connector.clock.monotonicMs() + ms
  }

  /** Sends a fetch: the broker answers them one after the other. */
  async fetch<T>(request: KafkaRequest<T>, timeoutMs: number, connectTimeoutMs: number): Promise<T> {
    const { clock } = this.#connector
    const mutedMs = this.#mutedUntilMs - clock.monotonicMs()
    if (mutedMs > 0) await new Promise<void>((resolve) => clock.after(mutedMs, resolve))
    // Its connections must not be opened again: nobody would close them.
    if (this.#dropped !== undefined) throw this.#dropped
    const connection = this.#broker.connectionPool.pool[1]
    if (!connection.isConnected()) {
      this.#fetchConnected ??= this.#within('a connection', connectTimeoutMs, connection.connect()).finally(() => {
        this.#fetchConnected = undefined
      })
      await this.#fetchConnected
    }
    return this.#within(request.apiName, timeoutMs, this.#send(connection, request))
  }

  /** One of kafkajs's own requests; sent on the control connection. */
  call<T>(what: string, timeoutMs: number, request: (broker: RawBroker) => Promise<T>): Promise<T> {
    const work = request(this.#broker).catch((error: Error) => {
      throw answered(error, what)
    })
    return this.#within(what, timeoutMs, work)
  }

  /** Ends both connections at once; what is under way is rejected with `error`. */
  drop(error: Error): void {
    if (this.#dropped !== undefined) return
    this.#dropped = error
    for (const connection of this.#broker.connectionPool.pool) {
      connection.rejectRequests(error)
      connection.disconnect().catch(() => {})
      connection.socket?.destroy()
    }
  }

  get #control(): RawConnection {
    return this.#broker.connectionPool.pool[0]
  }

  #send<T>(connection: RawConnection, { apiKey, apiName, apiVersion, body, decode }: KafkaRequest<T>): Promise<T> {
    const encoded = { buf: body, buffer: body }
    return connection.send<T>({
      request: { apiKey, apiName, apiVersion, encode: () => Promise.resolve(encoded) },
      response: {
        decode: async (bytes: Buffer) => decode(new ByteReader(bytes)),
        parse: (answer) => Promise.resolve(answer),
      },
      logResponseError: false,
    })
  }

  /** What the broker's refusal of our mechanism leaves open: which it takes. */
  async #nameMechanisms(error: Error & { code?: unknown }): Promise<never> {
    const { mechanism } = this.#connector.options.sasl
    if (error.code !== saslCode.unsupportedMechanism || mechanism === undefined) throw error
    // It has closed the first connection; a handshake may begin the second.
    const connection = this.#broker.connectionPool.pool[1]
    await connection.connect()
    const offered = await this.#send(connection, mechanismsRequest(mechanism))
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

  #within<T>(what: string, timeoutMs: number, work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => {
        this.drop(error)
        reject(error)
      }
      const expired = () => fail(new BrokerAwayError(this.address, `no answer to ${what} within ${timeoutMs} ms`))
      const { clock } = this.#connector
      const deadline = clock.monotonicMs() + timeoutMs
      let cancel = clock.after(timeoutMs, () => {
        // When this process itself was stuck, the answer may be there, unread: sockets are polled before the next timer.
        if (clock.monotonicMs() - deadline < lateMs) expired()
        else cancel = clock.after(lateMs, expired)
      })
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

/** A connection that can't even be tried. */
const away = (address: string) => (error: Error) => {
  throw error instanceof BrokerAwayError ? error : new BrokerAwayError(address, error.message, error)
}

/** kafkajs's errors that are the broker's own answer, as ours: its connection is fine then. */
function answered(error: Error & { code?: unknown; errors?: readonly Error[] }, what: string): Error {
  if (error.name === 'KafkaJSAggregateError' && error.errors?.[0] !== undefined) return answered(error.errors[0], what)
  const isAnswer = typeof error.code === 'number' && /ProtocolError|CreateTopicError/.test(error.name)
  return isAnswer ? new KafkaAnswerError(error.code as number, what) : error
}
