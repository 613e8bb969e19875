import { STATUS_CODES } from 'node:http'
import { addressText } from '../base/address.ts'
import { type CarillonError, errors } from '../base/errors.ts'
import type { Connection, Request } from './listener.ts'

export type Headers = readonly (readonly [name: string, value: string])[]

/** Waits at least so long where a refusal names no time: `Retry-After` is in whole seconds. */
const defaultRetryAfterMs = 1000

/**
 * One HTTP request and its answer. uWS allows nothing on a response after it was answered or its client has gone, so everything goes
 * through here; the request itself can be read only while its handler runs, so what is needed later is kept, and nothing else: a stream may last for days.
 */
export class Exchange {
  readonly res: Connection
  readonly method: string
  readonly path: string
  readonly origin: string
  /**
   * The router has found the page's origin allowed, and its page may read the answer. With what the browser keeps for this host, such as a proxy's
   * cookies, it may only where the origin is allowed by its name: `*` would hand every page what its visitor may see.
   */
  crossOrigin: 'none' | 'plain' | 'credentials' = 'none'
  /** Where the request ends is in doubt: what follows on the connection is not to be taken for another one. */
  endsConnection = false
  #open = true
  #gone: (() => void) | undefined

  constructor(res: Connection, req: Request) {
    this.res = res
    this.method = req.getMethod().toUpperCase()
    this.path = req.getUrl()
    this.origin = req.getHeader('origin')
    res.onAborted(() => {
      this.#open = false
      this.#gone?.()
    })
  }

  /** Neither answered nor abandoned by the client. */
  get open(): boolean {
    return this.#open
  }

  /** The client's address, for operators; '' once it is gone. */
  get peer(): string {
    return this.#open ? addressText(this.res.getRemoteAddress()) : ''
  }

  /** `gone` runs once when the client leaves before it was answered; it replaces an earlier one. */
  onGone(gone: () => void): void {
    this.#gone = gone
  }

  /** Answers in full, HEAD with the head alone. Does nothing once answered or abandoned. */
  answer(status: number, headers: Headers, body: string | Uint8Array, options: { close?: boolean } = {}): void {
    if (!this.#open) return
    this.#open = false
    this.res.cork(() => {
      this.writeHead(status, headers)
      if (status === 204) this.res.endWithoutBody(0, options.close)
      else if (this.method === 'HEAD') this.#endHead(Buffer.byteLength(body), options)
      else this.res.end(body, options.close)
    })
  }

  /** uWS closes the connection wherever it writes the length itself, asked or not. */
  #endHead(bytes: number, { close }: { close?: boolean }): void {
    if (close) this.res.endWithoutBody(bytes, true)
    else this.res.writeHeader('Content-Length', String(bytes)).endWithoutBody()
  }

  answerJson(status: number, body: unknown, headers: Headers = [], options: { close?: boolean } = {}): void {
    this.answer(status, [...headers, jsonType], JSON.stringify(body), options)
  }

  /** The one shape of a refused request. A client that may be back soon keeps its connection, except from a gateway that leaves. */
  refuse(error: CarillonError, headers: Headers = []): void {
    const { code, message } = error
    const { http, retry } = errors[code]
    const retryAfterMs = error.retryAfterMs || (retry === 'later' ? defaultRetryAfterMs : 0)
    const after: Headers = retryAfterMs === 0 ? [] : [['Retry-After', String(Math.ceil(retryAfterMs / 1000))]]
    const body = { code, message, retry, ...(retryAfterMs === 0 ? {} : { retryAfterMs }) }
    this.answerJson(http, { error: body }, [...headers, ...after], {
      close: this.endsConnection || closes.has(error.code),
    })
  }

  /** Status line and headers, for a handler that streams its body. To be called in a cork. */
  writeHead(status: number, headers: Headers): void {
    this.res.writeStatus(`${status} ${STATUS_CODES[status] ?? ''}`)
    for (const [name, value] of headers) this.res.writeHeader(name, value)
    this.res.writeHeader('Cache-Control', 'no-cache, no-store').writeHeader('X-Content-Type-Options', 'nosniff')
    if (this.crossOrigin === 'none') return
    this.res.writeHeader('Access-Control-Allow-Origin', this.origin).writeHeader('Vary', 'Origin')
    this.res.writeHeader('Access-Control-Expose-Headers', 'Retry-After')
    if (this.crossOrigin === 'credentials') this.res.writeHeader('Access-Control-Allow-Credentials', 'true')
  }

  /** The handler ended the response by itself. */
  ended(): void {
    this.#open = false
  }
}

export const queryOf = (req: Request): string => req.getQuery() ?? ''

export const jsonType = ['Content-Type', 'application/json; charset=utf-8'] as const

/** After these the rest of the request's body is not wanted, or the gateway is leaving. */
const closes: ReadonlySet<string> = new Set(['frame_too_large', 'request_timeout', 'shutting_down'])
