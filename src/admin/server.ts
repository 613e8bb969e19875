import { createServer, type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { CarillonError, type ErrorCode, errors, toCarillonError } from '../base/errors.ts'
import { FairSlots, type SlotHolder } from '../base/fair-slots.ts'
import { isLoopback, isLoopbackHostHeader } from '../base/loopback.ts'
import { quoted } from '../base/shortened.ts'
import type { AdminContracts, Readiness } from './contracts.ts'
import type { AdminOptions } from './options.ts'

export interface Admin {
  /** `http://127.0.0.1:8081` */
  readonly url: string
  /** Stops listening; requests under way may end within `deadlineMs`, then their connections are cut. */
  close(deadlineMs: number): Promise<void>
}

interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The last answer on a connection is given so long to leave before it is cut, ms. */
const lingerMs = 1000

/** What each path answers. */
type Paths = ReadonlyMap<string, () => Answer>

/**
 * Opens the admin listener: health, metrics and what the gateway knows of itself, read only, without authentication; so it
 * belongs on the loopback or a private network. Throws `listen_failed`.
 */
export async function openAdmin(options: AdminOptions, contracts: AdminContracts): Promise<Admin> {
  const { requestMs, maxHeaderBytes } = options
  const limits = { requestTimeout: requestMs, headersTimeout: requestMs, maxHeaderSize: maxHeaderBytes }
  // Node looks for overdue requests at this interval only.
  const server = createServer({ ...limits, connectionsCheckingInterval: Math.ceil(requestMs / 5) })
  server.keepAliveTimeout = options.keepAliveMs
  server.timeout = options.keepAliveMs
  sharePlaces(server, options.maxConnections, contracts)
  const paths = pathsOf(contracts)
  const hosts = isLoopback(options.host) ? 'loopback' : 'any'
  server.on('request', (request, response) => send(response, answer(request, paths, hosts)))
  server.on('clientError', (error: NodeJS.ErrnoException, socket) =>
    refuseMalformed(error, socket as Socket, contracts),
  )
  await listen(server, options)
  const { port } = server.address() as AddressInfo
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return { url: `http://${host}:${port}`, close: (deadlineMs) => close(server, contracts.clock, deadlineMs) }
}

/**
 * Whoever connects gets a place: where all are taken, the connection that has been silent for longest is cut, of the address that has the most. So no
 * number of connections keeps a probe out.
 */
function sharePlaces(server: Server, maxConnections: number, { clock, refused }: AdminContracts): void {
  const places = new FairSlots(maxConnections, 0, clock)
  const placeOf = new WeakMap<Socket, SlotHolder>()
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    const place = {
      address,
      evicted: () => {
        refused('adminConnections', address)
        socket.destroy()
      },
    }
    placeOf.set(socket, place)
    places.take(place)
    socket.once('close', () => places.leave(place))
  })
  server.on('request', ({ socket }) => {
    const place = placeOf.get(socket)
    if (place !== undefined) places.heard(place)
  })
}

function pathsOf(contracts: AdminContracts): Paths {
  const { gateway, version } = contracts
  return new Map([
    ['/livez', () => json(200, { live: true })],
    ['/readyz', () => readiness(contracts.readiness())],
    ['/metrics', () => metrics(contracts)],
    [
      '/v1/admin/status',
      () => json(200, { gateway, version, ...withLag(contracts.status()), ...contracts.readiness() }),
    ],
    ['/v1/admin/rejected', () => json(200, contracts.rejected())],
    ['/v1/admin/routes', () => json(200, { routes: contracts.routes() })],
  ])
}

function readiness({ reasons, degraded }: Readiness): Answer {
  const ready = reasons.length === 0
  return json(ready ? 200 : 503, { ready, reasons, degraded })
}

function metrics(contracts: AdminContracts): Answer {
  const { contentType, text } = contracts.metrics()
  return { status: 200, contentType, body: text }
}

function withLag(status: ReturnType<AdminContracts['status']>) {
  const streams = status.streams.map((stream) => ({
    ...stream,
    partitions: stream.partitions.map((each) => ({ ...each, lag: Math.max(0, each.head - each.read) })),
  }))
  return { ...status, streams }
}

function answer(request: IncomingMessage, paths: Paths, hosts: 'loopback' | 'any'): Answer {
  try {
    const host = request.headers.host ?? ''
    if (hosts === 'loopback' && !isLoopbackHostHeader(host)) {
      const expected = 'a Host header that names the loopback, as this listener does (localhost, 127.0.0.1, [::1])'
      throw new CarillonError('origin_refused', `expected ${expected}, got ${quoted(host, 100)}`)
    }
    const path = (request.url ?? '').split('?', 1)[0]!
    const handler = paths.get(path)
    if (handler === undefined) throw notFound(path, paths)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new CarillonError('method_not_allowed', `${path} takes GET and HEAD, got ${request.method}`)
    }
    return handler()
  } catch (error) {
    return failure(toCarillonError(error))
  }
}

function notFound(path: string, paths: Paths): CarillonError {
  return new CarillonError('not_found', `there is no ${path} here; there is ${[...paths.keys()].join(', ')}`)
}

function failure({ code, message, retryAfterMs }: CarillonError): Answer {
  const { http, retry } = errors[code]
  const body = { error: { code, message, retry, ...(retryAfterMs > 0 ? { retryAfterMs } : {}) } }
  const headers = code === 'method_not_allowed' ? { Allow: 'GET, HEAD' } : {}
  return { ...json(http, body), headers }
}

function json(status: number, value: unknown): Answer {
  return { status, contentType: 'application/json', body: `${JSON.stringify(value)}\n` }
}

function send(response: ServerResponse, { status, contentType, body, headers }: Answer): void {
  response.writeHead(status, {
    'Content-Type': contentType,
    'Content-Length': Buffer.byteLength(body),
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
    ...headers,
  })
  response.end(body)
}

/** Node's parser gave up on a request: too long, too slow or not HTTP. */
function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket, { clock, refused }: AdminContracts): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const [status, code] = malformed(error.code)
  if (code === 'request_timeout') refused('adminRequestMs', socket.remoteAddress ?? '')
  const message = code === 'request_timeout' ? 'the request did not arrive in time' : 'expected an HTTP/1.1 request'
  const { body } = failure(new CarillonError(code, message))
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\nContent-Type: application/json\r\nConnection: close`
  socket.end(`${head}\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`)
  // Whoever does not read the answer does not close its side either.
  const cancel = clock.after(lingerMs, () => socket.destroy())
  socket.once('close', cancel)
}

function malformed(nodeCode: string | undefined): readonly [number, ErrorCode] {
  if (nodeCode === 'HPE_HEADER_OVERFLOW') return [431, 'bad_request']
  if (nodeCode === 'ERR_HTTP_REQUEST_TIMEOUT') return [408, 'request_timeout']
  return [400, 'bad_request']
}

function listen(server: Server, { host, port }: AdminOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const taken = 'the port is taken; is another gateway running there? Stop it, or choose another port'
      const why = cause.code === 'EADDRINUSE' ? taken : cause.message
      reject(new CarillonError('listen_failed', `--admin: cannot listen on ${host}:${port}: ${why}`, { cause }))
    })
    // A connection that can't be accepted, for want of descriptors, is lost: it must not end the gateway.
    server.on('error', () => {})
    server.listen(port, host, resolve)
  })
}

function close(server: Server, clock: Clock, deadlineMs: number): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(deadlineMs, () => server.closeAllConnections())
    server.close(() => {
      cancel()
      resolve()
    })
  })
}
