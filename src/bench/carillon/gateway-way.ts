import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'
import { setTimeout as sleep } from 'node:timers/promises'
import { varintLength, writeVarint } from '../../wire/varint.ts'
import { type OpenWay, type Outgoing, Refusal, type Way } from '../load/outgoing.ts'
import type { Endpoint } from '../load/socket.ts'

export interface GatewayWayTarget {
  readonly endpoint: Endpoint
}

/** Field 1, length-delimited: PublishRequest.events (proto/carillon/v1/gateway.proto). */
const eventsKey = 0x0a
/** A gateway's default limit of events in one publish request. */
const maxEvents = 1000
const timeoutMs = 10_000
/**
 * How long a gateway may be unreachable, as during a restart, and the interval between attempts,
 * ms.
 */
const absentMs = 20_000
const retryMs = 50

/**
 * `POST /v1/publish` in protobuf, one request at a time. The gateway's default limits are enough
 * for it.
 */
export const openGatewayWay: OpenWay = async ({ envelopeBytes, target }) => {
  const { endpoint } = target as GatewayWayTarget
  const before = Buffer.alloc(1 + varintLength(envelopeBytes))
  before[0] = eventsKey
  writeVarint(before, 1, envelopeBytes)
  return new GatewayWay(endpoint, before)
}

class GatewayWay implements Way {
  readonly before: Buffer
  readonly maxBatches = 1
  readonly maxEvents = maxEvents
  readonly #endpoint: Endpoint
  readonly #agent: HttpAgent | HttpsAgent

  constructor(endpoint: Endpoint, before: Buffer) {
    this.before = before
    this.#endpoint = endpoint
    const options = { keepAlive: true, maxSockets: 1 }
    this.#agent = endpoint.tls ? new HttpsAgent({ ...options, rejectUnauthorized: false }) : new HttpAgent(options)
  }

  async send(outgoing: Outgoing): Promise<void> {
    const endMs = performance.now() + absentMs
    for (;;) {
      try {
        return await this.#post(outgoing)
      } catch (error) {
        // The connection was refused, so nothing was written: sending the same events again is
        // safe.
        const absent = (error as NodeJS.ErrnoException).code === 'ECONNREFUSED'
        if (!absent || performance.now() > endMs) throw error
        await sleep(retryMs)
      }
    }
  }

  #post({ bytes, count, stride }: Outgoing): Promise<void> {
    const { host, port, tls } = this.#endpoint
    const body = bytes.subarray(0, count * stride)
    const headers = { 'Content-Type': 'application/x-protobuf', 'Content-Length': body.length }
    const options = { agent: this.#agent, host, port, path: '/v1/publish', method: 'POST', headers, timeout: timeoutMs }
    return new Promise((resolve, reject) => {
      const request = tls ? httpsRequest(options) : httpRequest(options)
      request.on('response', (response) => answered(response, resolve, reject))
      request.on('timeout', () => request.destroy(new Error(`no response to a publish request within ${timeoutMs} ms`)))
      request.on('error', reject)
      request.end(body)
    })
  }

  async close(): Promise<void> {
    this.#agent.destroy()
  }
}

function answered(response: IncomingMessage, resolve: () => void, reject: (error: Error) => void): void {
  const { statusCode = 0 } = response
  if (statusCode === 200) {
    response.resume().on('end', resolve).on('error', reject)
    return
  }
  let text = ''
  response.setEncoding('utf8')
  response.on('data', (chunk: string) => {
    text = (text + chunk).slice(0, 1000)
  })
  response.on('error', reject)
  response.on('end', () => {
    const problem = `expected 200 for a publish, got ${statusCode}: ${text}`
    // 507: the log is full and stays full.
    reject(statusCode < 500 || statusCode === 507 ? new Refusal(problem) : new Error(problem))
  })
}
