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
  /**
   * Stops listening. Requests under way may finish within `deadlineMs`; then their connections
   * are cut.
   */
  close(deadlineMs: number): Promise<void>
}

interface Answer {
  readonly status: number
  readonly contentType: string
  readonly body: string
  readonly headers?: Readonly<Record<string, string>>
}

/** Time for the last response on a connection to be sent before the connection is cut, ms. */
const lingerMs = 1000

/** Handlers by path. */
type Paths = ReadonlyMap<string, () => Answer>

/**
 * Opens the admin listener: health, metrics and the gateway's status. It is read-only and has no
 * authentication, so bind it to the loopback or a private network. Throws `listen_failed`.
 */
export async function openAdmin(options: AdminOptions, contracts: AdminContracts): Promise<Admin> {
  const { requestMs, maxHeaderBytes } = options
  const limits = { requestTimeout: requestMs, headersTimeout: requestMs, maxHeaderSize: maxHeaderBytes }
  // Node checks for overdue requests only at this interval.
  const server = createServer({ ...limits, connectionsCheckingInterval: Math.ceil(requestMs / 5) })
  server.keepAliveTimeout = options.keepAliveMs
  server.timeout = options.keepAliveMs
  shareSlots(server, options.maxConnections, contracts)
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
 * Gives every connection a slot. If all are taken, the connection silent for longest is cut, of
 * the address with the most. So no number of connections keeps a probe out.
 */
function shareSlots(server: Server, maxConnections: number, { clock, refused }: AdminContracts): void {
  const slots = new FairSlots(maxConnections, 0, clock)
  const holderOf = new WeakMap<Socket, SlotHolder>()
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? ''
    const holder = {
      address,
      evicted: () => {
        refused('adminConnections', address)
        socket.destroy()
      },
    }
    holderOf.set(socket, holder)
    slots.take(holder)
    socket.once('close', () => slots.leave(holder))
  })
  server.on('request', ({ socket }) => {
    const holder = holderOf.get(socket)
    if (holder !== undefined) slots.heard(holder)
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
      const expected =
        'a Host header that names the loopback, since this listener is on it (localhost, 127.0.0.1, [::1])'
      throw new CarillonError('origin_refused', `expected ${expected}, got ${quoted(host, 100)}`)
    }
    const path = (request.url ?? '').split('?', 1)[0]!
    const handler = paths.get(path)
    if (handler === undefined) throw notFound(path, paths)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      throw new CarillonError('method_not_allowed', `${path} accepts GET and HEAD, got ${request.method}`)
    }
    return handler()
  } catch (error) {
    return failure(toCarillonError(error))
  }
}

function notFound(path: string, paths: Paths): CarillonError {
  return new CarillonError('not_found', `no such path: ${path}; expected one of ${[...paths.keys()].join(', ')}`)
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

/** Handles a request that Node's parser refused: too long, too slow or not HTTP. */
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
  // A client that does not read the response does not close its side either.
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
    // Ignores a failed accept, for lack of file descriptors: that connection is lost, but the
    // gateway must go on.
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
