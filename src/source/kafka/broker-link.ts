import type { Connector, RawBroker, RawConnection } from './connector.ts'
import { ByteReader } from './encoding.ts'
import { KafkaAnswerError } from './protocol-errors.ts'

/** A request of our own: its encoded body (flexible versions begin with the header's tag section) and its decoder. */
export interface KafkaRequest<T> {
  readonly apiKey: number
  readonly apiName: string
  readonly apiVersion: number
  readonly body: Buffer
  decode(reader: ByteReader): T
}

/** A broker that can't be reached or doesn't answer; the link to it is gone. */
export class BrokerAwayError extends Error {
  constructor(address: string, problem: string, cause?: unknown) {
    super(`broker ${address}: ${problem}`, cause === undefined ? undefined : { cause })
    this.name = 'BrokerAwayError'
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
  readonly #broker: RawBroker
  #fetchConnected: Promise<unknown> | undefined
  #dropped: Error | undefined

  /** Resolves when the broker is connected, authenticated and known to speak what we need. */
  static async open(connector: Connector, address: string, timeoutMs: number): Promise<BrokerLink> {
    const link = new BrokerLink(address, await connector.broker(address))
    await link.#within('a connection', timeoutMs, link.#broker.connect())
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

  private constructor(address: string, broker: RawBroker) {
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

  /** Sends a fetch: the broker answers them one after the other. */
  async fetch<T>(request: KafkaRequest<T>, timeoutMs: number, connectTimeoutMs: number): Promise<T> {
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
    return connection.send({
      request: { apiKey, apiName, apiVersion, encode: () => Promise.resolve(encoded) },
      response: {
        decode: async (bytes: Buffer) => decode(new ByteReader(bytes)),
        parse: (answer: T) => Promise.resolve(answer),
      },
      logResponseError: false,
    }) as Promise<T>
  }

  #within<T>(what: string, timeoutMs: number, work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const fail = (error: Error) => {
        this.drop(error)
        reject(error)
      }
      const expired = () => fail(new BrokerAwayError(this.address, `no answer to ${what} within ${timeoutMs} ms`))
      const deadline = performance.now() + timeoutMs
      let timer = setTimeout(() => {
        // When this process itself was stuck, the answer may be there, unread: sockets are polled before the next timer.
        const late = performance.now() - deadline
        if (late < lateMs) expired()
        else timer = setTimeout(expired, lateMs)
      }, timeoutMs)
      work.then(
        (value) => {
          clearTimeout(timer)
          resolve(value)
        },
        (error: Error) => {
          clearTimeout(timer)
          if (error instanceof KafkaAnswerError) reject(error)
          else fail(error instanceof BrokerAwayError ? error : new BrokerAwayError(this.address, error.message, error))
        },
      )
    })
  }
}

/** kafkajs's errors that are the broker's own answer, as ours: its connection is fine then. */
function answered(error: Error & { code?: unknown; errors?: readonly Error[] }, what: string): Error {
  if (error.name === 'KafkaJSAggregateError' && error.errors?.[0] !== undefined) return answered(error.errors[0], what)
  const isAnswer = typeof error.code === 'number' && /ProtocolError|CreateTopicError/.test(error.name)
  return isAnswer ? new KafkaAnswerError(error.code as number, what) : error
}
