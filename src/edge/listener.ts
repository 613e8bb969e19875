import type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket, us_socket } from 'uWebSockets.js'
import { existsSync, lstatSync, rmSync } from 'node:fs'
import { CarillonError } from '../base/errors.ts'
import type { EdgeOptions } from './options.ts'

/** The one file that names uWebSockets.js; its siblings take the types from here. */
export type { TemplatedApp, us_socket_context_t, WebSocket } from 'uWebSockets.js'

export type ListenOptions = Pick<EdgeOptions, 'host' | 'port' | 'tlsCert' | 'tlsKey' | 'maxHeaderBytes'>

type Native = typeof import('uWebSockets.js')

export type Connection = HttpResponse
export type Request = HttpRequest

/**
 * uSockets' LIBUS_LISTEN_EXCLUSIVE_PORT. Without it uWS shares its port with whoever else does, and a second gateway would take
 * half of the first one's connections in silence.
 */
const exclusivePort = 1

/** Of a Unix socket, with room for its end: `sun_path` of macOS; Linux has four bytes more. */
const maxSocketPathBytes = 103
/** RFC 6455's code for a connection that ended without a close frame. */
export const abnormalClosure = 1006

/** Why uWS has cut a WebSocket for what came on it, as the reason that it gives to `close` says; undefined where that was not why. */
export function cutOf(code: number, reason: ArrayBuffer): 'too large' | 'invalid' | undefined {
  if (code !== abnormalClosure || reason.byteLength === 0) return undefined
  const said = Buffer.from(reason).toString('latin1')
  if (said.startsWith('Received too big')) return 'too large'
  return said.startsWith('Received invalid') ? 'invalid' : undefined
}

/** The package's declarations lack the form with host and options that the addon takes. */
interface ListenWithOptions {
  listen(host: string, port: number, options: number, done: (socket: us_listen_socket | false) => void): void
}

/**
 * A uWebSockets.js app and its listening socket. uWS's own limits hold below ours: a head that is not complete, or a kept-alive
 * connection without a request, is closed after 10 to 12 s; a head over `maxHeaderBytes` is answered by 431. The process can end
 * cleanly only after `close()`.
 */
export class Listener {
  readonly app: TemplatedApp
  readonly tls: boolean
  readonly host: string
  readonly #native: Native
  #socket: us_listen_socket | undefined
  #port = 0
  #path: string | undefined
  #closed = false

  constructor(native: Native, app: TemplatedApp, options: ListenOptions) {
    this.#native = native
    this.app = app
    this.tls = options.tlsCert !== undefined
    this.host = options.host
  }

  /** The port that is listened on, chosen by the system where 0 was asked for. */
  get port(): number {
    return this.#port
  }

  /** Told +1 and -1 for each connection, before it has sent a byte and after it has closed. An upgraded one is never told -1. */
  onConnection(told: (connection: Connection, change: number) => void): void {
    this.app.filter(told)
  }

  /**
   * On a Unix socket instead, which only this process's user may use; what was left of an earlier one is replaced, and nothing else is. Throws
   * `listen_failed` where something else has the path, or the system takes no socket of it.
   */
  listenOn(path: string): void {
    if (Buffer.byteLength(path) > maxSocketPathBytes)
      throw noSocket(path, `its path has over ${maxSocketPathBytes} bytes`)
    // uWS removes whatever has the path.
    if (at(path) === 'something else') throw noSocket(path, 'something else than a socket has its path; move it away')
    let opened: us_listen_socket | false = false
    this.app.listen_unix((socket) => {
      opened = socket
    }, path)
    if (opened === false) throw noSocket(path, 'its folder takes none')
    this.#path = path
    this.#socket = opened
  }

  /** Routes are to be registered before. Throws `listen_failed` when another process has the port, shared or not. */
  listen(port: number): void {
    this.#open(port)
    if (port !== 0) return
    // uSockets lets a port be listened on again, beside connections of it, only where it was named.
    this.pause()
    this.#open(this.#port)
  }

  #open(port: number): void {
    let opened: us_listen_socket | false = false
    const app = this.app as unknown as ListenWithOptions
    app.listen(this.host, port, exclusivePort, (socket) => {
      opened = socket
    })
    if (opened === false) throw listenFailed(this.host, port)
    this.#socket = opened
    this.#port = this.#native.us_socket_local_port(opened as unknown as us_socket)
  }

  /** No further connections until `resume`; those that are open go on. Also from within `onConnection`. */
  pause(): void {
    if (this.#socket !== undefined) this.#native.us_listen_socket_close(this.#socket)
    this.#socket = undefined
  }

  /** False where another process has taken the port meanwhile. */
  resume(): boolean {
    try {
      this.#open(this.#port)
      return true
    } catch {
      return false
    }
  }

  /** Ends every connection at once; their close and abort handlers run before it returns. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket = undefined
    this.app.close()
    if (this.#path !== undefined && at(this.#path) === 'socket') rmSync(this.#path, { force: true })
  }
}

/** Makes an app that does not listen yet. Throws `listen_failed` when the TLS files are of no use. */
export async function makeListener(options: ListenOptions): Promise<Listener> {
  // uWS reads its limit of header bytes (4 KiB otherwise: too few for tokens of many partitions) when it is loaded.
  process.env.UWS_HTTP_MAX_HEADERS_SIZE ??= String(options.maxHeaderBytes)
  const native = await import('uWebSockets.js')
  return new Listener(native, makeApp(native, options), options)
}

function makeApp(native: Native, { tlsCert, tlsKey }: ListenOptions): TemplatedApp {
  if (tlsCert === undefined && tlsKey === undefined) return native.App()
  for (const [option, file] of Object.entries({ '--tls-cert': tlsCert, '--tls-key': tlsKey })) {
    if (file !== undefined && existsSync(file)) continue
    throw new CarillonError('listen_failed', `${option}: expected the path of a PEM file, got ${file ?? 'nothing'}`)
  }
  try {
    return native.SSLApp({ cert_file_name: tlsCert!, key_file_name: tlsKey! })
  } catch (cause) {
    const message = `--tls-cert, --tls-key: expected a PEM certificate and its private key, got ${tlsCert} and ${tlsKey}, which OpenSSL refuses`
    throw new CarillonError('listen_failed', message, { cause })
  }
}

/** What has a path; a folder that can't be read has nothing to show. */
function at(path: string): 'nothing' | 'socket' | 'something else' {
  try {
    return lstatSync(path).isSocket() ? 'socket' : 'something else'
  } catch {
    return 'nothing'
  }
}

const noSocket = (path: string, why: string) =>
  new CarillonError('listen_failed', `cannot listen on the Unix socket ${path}: ${why}`)

function listenFailed(host: string, port: number): CarillonError {
  const hint = 'is another gateway running there? Stop it, or choose another port'
  const said = `--listen: cannot listen on ${host}:${port}: expected a free port on an address of this host`
  return new CarillonError('listen_failed', `${said}; ${hint}`)
}
