import { STATUS_CODES } from 'node:http'
import { addressText } from '../base/address.ts'
import { type CarillonError, errors } from '../base/errors.ts'
import type { Connection, Request } from './listener.ts'

export type Headers = readonly (readonly [name: string, value: string])[]

/**
 * Default for `Retry-After` of a retryable error without a delay, ms. The header has whole
 * seconds.
 */
const defaultRetryAfterMs = 1000

/**
 * One HTTP request and its answer. uWS forbids any call on a response that was answered or whose
 * client has left, so all calls go through here. The request can be read only while its handler
 * runs. What is needed later is copied, and nothing else, because a stream may last for days.
 */
export class Exchange {
  readonly res: Connection
  readonly method: string
  readonly path: string
  readonly origin: string
  /**
   * Whether a page of another origin may read the answer, once the router has allowed its origin.
   * `credentials` also covers requests with what the browser stores for this host, such as a
   * proxy's cookies. It needs an origin that is allowed by its name: with `*`, every page could
   * read what its visitor may see.
   */
  crossOrigin: 'none' | 'plain' | 'credentials' = 'none'
  /**
   * True if the end of the request is ambiguous, so that the connection must close: what follows
   * must not be read as another request (request smuggling).
   */
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

  /** True until the request is answered or its client has left. */
  get open(): boolean {
    return this.#open
  }

  /** The client's address, for operators; '' once the exchange is closed. */
  get peer(): string {
    return this.#open ? addressText(this.res.getRemoteAddress()) : ''
  }

  /**
   * Sets the callback for a client that leaves before it was answered. Replaces an earlier
   * callback.
   */
  onGone(gone: () => void): void {
    this.#gone = gone
  }

  /**
   * Sends a complete answer, without the body for HEAD. Does nothing once the exchange is closed.
   */
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

  /**
   * Ends an answer to HEAD. `endWithoutBody` with a length always closes the connection, so
   * Content-Length is written as a header unless `close` is set.
   */
  #endHead(bytes: number, { close }: { close?: boolean }): void {
    if (close) this.res.endWithoutBody(bytes, true)
    else this.res.writeHeader('Content-Length', String(bytes)).endWithoutBody()
  }

  answerJson(status: number, body: unknown, headers: Headers = [], options: { close?: boolean } = {}): void {
    this.answer(status, [...headers, jsonType], JSON.stringify(body), options)
  }

  /**
   * Refuses the request, in the one shape of all refusals. The connection stays open for a retry,
   * except for the errors in `closes`.
   */
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

  /**
   * Writes status line and headers, for a handler that streams its body. Must be called in a cork.
   */
  writeHead(status: number, headers: Headers): void {
    this.res.writeStatus(`${status} ${STATUS_CODES[status] ?? ''}`)
    for (const [name, value] of headers) this.res.writeHeader(name, value)
    this.res.writeHeader('Cache-Control', 'no-cache, no-store').writeHeader('X-Content-Type-Options', 'nosniff')
    if (this.crossOrigin === 'none') return
    this.res.writeHeader('Access-Control-Allow-Origin', this.origin).writeHeader('Vary', 'Origin')
    this.res.writeHeader('Access-Control-Expose-Headers', 'Retry-After')
    if (this.crossOrigin === 'credentials') this.res.writeHeader('Access-Control-Allow-Credentials', 'true')
  }

  /** Notes that the handler ended the response itself. */
  ended(): void {
    this.#open = false
  }
}

export const queryOf = (req: Request): string => req.getQuery() ?? ''

export const jsonType = ['Content-Type', 'application/json; charset=utf-8'] as const

/**
 * Errors that close the connection: the rest of the body is not read, or the gateway shuts down.
 */
const closes: ReadonlySet<string> = new Set(['frame_too_large', 'request_timeout', 'shutting_down'])
