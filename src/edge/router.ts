import { forClient } from '../base/client-error.ts'
import { CarillonError } from '../base/errors.ts'
import { isLoopback } from '../base/loopback.ts'
import { logFault, logWithheld } from '../telemetry/client-faults.ts'
import type { EdgeContext } from './context.ts'
import { Exchange, type Headers } from './exchange.ts'
import { checkHead } from './head.ts'
import type { Connection, Request } from './listener.ts'
import { isHostAllowed, isOriginAllowed, isOriginNamed } from './origin.ts'
import { quote } from './query.ts'

/**
 * Answers one request. `req` is valid until the handler returns or first awaits. An error that it
 * throws becomes the refusal.
 */
export type Handler = (exchange: Exchange, req: Request) => void | Promise<void>

export interface Route {
  readonly path: string
  /** Handlers by HTTP method in capitals. */
  readonly methods: Readonly<Record<string, Handler>>
}

/** Time for which a browser may cache the answer to a preflight, s. */
const preflightMaxAge = 600

/** Headers that a page of another origin may send, besides those that need no preflight. */
export const pageHeaders = ['Authorization', 'Content-Type', 'Last-Event-ID', 'traceparent']
/**
 * Headers of CloudEvents attributes. Extensions may have any name, so those that a page asks for
 * are allowed.
 */
const attributeHeader = /^ce-[a-z0-9]+$/i

/** Queue in which refusals wait for their turn, see `AdmissionQueue`. */
export interface Turns {
  /** Runs `enter` soon. An error that it throws is the answer. */
  admit(exchange: Exchange, enter: () => void): void
}

/**
 * Handles all requests except WebSocket upgrades: checks head and origin, then path and method,
 * then calls the route's handler. Only the files of the try-it page are answered before the
 * handler returns. uWS hands over all requests that a socket has pipelined as long as each is
 * answered at once, and ends the connection if a request arrives while an answer is due.
 */
export class Router {
  readonly #context: EdgeContext
  readonly #turns: Turns
  readonly #routes: ReadonlyMap<string, Route>
  readonly #host: string

  /** `host` is the address that its listener listens on. */
  constructor(context: EdgeContext, turns: Turns, routes: readonly Route[], host = context.options.host) {
    this.#context = context
    this.#host = host
    this.#turns = turns
    this.#routes = new Map(routes.map((route) => [route.path, route]))
  }

  handle(res: Connection, req: Request): void {
    const exchange = new Exchange(res, req)
    try {
      const done = this.#dispatch(exchange, req)
      if (done !== undefined) done.catch((error: unknown) => refuse(this.#context, exchange, error))
    } catch (error) {
      this.#turns.admit(exchange, () => {
        throw error
      })
    }
  }

  #dispatch(exchange: Exchange, req: Request): void | Promise<void> {
    checkHead(exchange, req)
    checkOrigin(this.#context, exchange, req, this.#host)
    const route = this.#routes.get(exchange.path)
    if (route === undefined) {
      const paths = [...this.#routes.keys()].join(', ')
      throw new CarillonError('not_found', `expected one of ${paths}, got ${exchange.path.slice(0, 100)}`)
    }
    const handler = route.methods[exchange.method]
    if (handler !== undefined) return handler(exchange, req)
    if (exchange.method === 'OPTIONS') {
      const requested = req.getHeader('access-control-request-headers')
      return this.#turns.admit(exchange, () => answerPreflight(exchange, route, requested))
    }
    const allowed: Headers = [['Allow', allow(route)]]
    this.#turns.admit(exchange, () => refuse(this.#context, exchange, wrongMethod(exchange, route), allowed))
  }
}

/** Answers a request with the error that its handler threw. */
export function refuse(context: EdgeContext, exchange: Exchange, thrown: unknown, headers?: Headers): void {
  const error = clientError(context, exchange, thrown)
  context.countRefusal(error, exchange.peer)
  exchange.refuse(error, headers)
}

/** Returns the error for the client, and logs what it withholds. */
export function clientError(context: EdgeContext, { path, method }: Exchange, thrown: unknown): CarillonError {
  const { error, withheld } = forClient(thrown)
  const { logger } = context.contracts
  if (error.code === 'internal') logFault(logger, 'a request failed', { path, method, error: thrown })
  if (withheld !== undefined) logWithheld(logger, error.code, `a request for ${path} was refused: ${withheld}`)
  return error
}

/**
 * Throws `origin_refused` for pages that may not connect. Lets other pages read the answer (CORS).
 */
export function checkOrigin(
  context: EdgeContext,
  exchange: Exchange,
  req: Request,
  listensOn = context.options.host,
): void {
  const { origin } = exchange
  const host = req.getHeader('host')
  const { allowOrigin } = context.options
  if (isLoopback(listensOn) && !isHostAllowed(host, allowOrigin)) {
    const expected =
      'expected a Host header that names the loopback, since this listener is on it, or the host of an origin'
    throw new CarillonError('origin_refused', `${expected} given by --allow-origin, got ${quote(host)}`)
  }
  if (!isOriginAllowed(origin, host, allowOrigin)) {
    const message = `expected a page of ${host} or of an origin given by --allow-origin, got ${origin.slice(0, 200)}`
    throw new CarillonError('origin_refused', message)
  }
  if (origin !== '') exchange.crossOrigin = isOriginNamed(origin, host, allowOrigin) ? 'credentials' : 'plain'
}

function answerPreflight(exchange: Exchange, route: Route, requested: string): void {
  const attributes = requested
    .split(',')
    .map((name) => name.trim())
    .filter((name) => attributeHeader.test(name))
  const headers: Headers = [
    ['Allow', allow(route)],
    ['Access-Control-Allow-Methods', allow(route)],
    ['Access-Control-Allow-Headers', [...pageHeaders, ...attributes].join(', ')],
    ['Access-Control-Max-Age', String(preflightMaxAge)],
  ]
  exchange.answer(204, headers, '')
}

function allow(route: Route): string {
  return [...Object.keys(route.methods), 'OPTIONS'].join(', ')
}

function wrongMethod(exchange: Exchange, route: Route): CarillonError {
  const methods = Object.keys(route.methods).join(' or ')
  return new CarillonError(
    'method_not_allowed',
    `expected ${methods} for ${route.path}, got ${exchange.method.slice(0, 20)}`,
  )
}
