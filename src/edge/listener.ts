import type { HttpRequest, HttpResponse, TemplatedApp, us_listen_socket, us_socket } from 'uWebSockets.js'
import { existsSync, lstatSync, rmSync } from 'node:fs'
import { CarillonError } from '../base/errors.ts'
import type { EdgeOptions } from './options.ts'

/** The only file that imports uWebSockets.js; its siblings import the types from here. */
export type { TemplatedApp, us_socket_context_t, WebSocket } from 'uWebSockets.js'

export type ListenOptions = Pick<EdgeOptions, 'host' | 'port' | 'tlsCert' | 'tlsKey' | 'maxHeaderBytes'>

type Native = typeof import('uWebSockets.js')

export type Connection = HttpResponse
export type Request = HttpRequest

/**
 * uSockets' LIBUS_LISTEN_EXCLUSIVE_PORT. Without it, uWS shares its port with other processes that
 * share it too, and a second gateway would silently receive half of the first one's connections.
 */
const exclusivePort = 1

/**
 * Maximum length of a Unix socket's path: macOS's `sun_path` without its final NUL. Linux has four
 * more.
 */
const maxSocketPathBytes = 103
/** RFC 6455's close code for a connection that ended without a close frame. */
export const abnormalClosure = 1006

/**
 * Returns why uWS cut a WebSocket for what its client sent, from the reason that it passes to
 * `close`; undefined if the connection ended for another reason.
 */
export function cutOf(code: number, reason: ArrayBuffer): 'too large' | 'invalid' | undefined {
  if (code !== abnormalClosure || reason.byteLength === 0) return undefined
  const text = Buffer.from(reason).toString('latin1')
  if (text.startsWith('Received too big')) return 'too large'
  return text.startsWith('Received invalid') ? 'invalid' : undefined
}

/** The overload with host and options, which the addon has and the package's declarations lack. */
interface ListenWithOptions {
  listen(host: string, port: number, options: number, done: (socket: us_listen_socket | false) => void): void
}

/**
 * A uWebSockets.js app and its listening socket. uWS applies its own limits first: it closes a
 * connection with an incomplete head, or a kept-alive one without a request, after 10 to 12 s, and
 * answers a head above `maxHeaderBytes` with 431. The process can exit cleanly only after
 * `close()`.
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

  /** The listening port; if 0 was requested, the one that the system chose. */
  get port(): number {
    return this.#port
  }

  /**
   * Calls `changed` with +1 for each connection before it has sent a byte, and with -1 after it
   * has closed. There is no -1 for a connection that was upgraded.
   */
  onConnection(changed: (connection: Connection, change: number) => void): void {
    this.app.filter(changed)
  }

  /**
   * Listens on a Unix socket, which only this process's user may use. Replaces a socket left by an
   * earlier process, but no other file. Throws `listen_failed` if another file is at the path, or
   * if the system can't create the socket.
   */
  listenOn(path: string): void {
    if (Buffer.byteLength(path) > maxSocketPathBytes)
      throw noSocket(path, `its path is longer than ${maxSocketPathBytes} bytes`)
    // uWS removes any file at the path.
    if (at(path) === 'something else') throw noSocket(path, 'a file that is not a socket has this path; move it away')
    let opened: us_listen_socket | false = false
    this.app.listen_unix((socket) => {
      opened = socket
    }, path)
    if (opened === false) throw noSocket(path, 'the system cannot create it there')
    this.#path = path
    this.#socket = opened
  }

  /**
   * Listens on a port; 0 = any free one. Routes must be registered before. Throws `listen_failed`
   * if another process uses the port, shared or not.
   */
  listen(port: number): void {
    this.#open(port)
    if (port !== 0) return
    // uSockets can listen on a port again while it has connections only if the port was named, so
    // the chosen port is opened by its number.
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

  /**
   * Accepts no connections until `resume`. Open ones continue. May be called within the callback
   * of `onConnection`.
   */
  pause(): void {
    if (this.#socket !== undefined) this.#native.us_listen_socket_close(this.#socket)
    this.#socket = undefined
  }

  /**
   * Accepts connections again. Returns false if another process has taken the port in the
   * meantime.
   */
  resume(): boolean {
    try {
      this.#open(this.#port)
      return true
    } catch {
      return false
    }
  }

  /** Ends every connection at once. Their close and abort handlers run before this returns. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#socket = undefined
    this.app.close()
    if (this.#path !== undefined && at(this.#path) === 'socket') rmSync(this.#path, { force: true })
  }
}

/**
 * Creates an app that does not listen yet. Throws `listen_failed` if the TLS files can't be used.
 */
export async function makeListener(options: ListenOptions): Promise<Listener> {
  // uWS reads its limit of header bytes when it is loaded. The default of 4 KiB is too small for
  // tokens of many partitions.
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
    const message = `--tls-cert, --tls-key: expected a PEM certificate and its private key, but OpenSSL rejects ${tlsCert} and ${tlsKey}`
    throw new CarillonError('listen_failed', message, { cause })
  }
}

/** Returns the kind of file at a path; `nothing` also for a folder that can't be read. */
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
  const problem = `--listen: cannot listen on ${host}:${port}: expected a free port on an address of this host`
  return new CarillonError('listen_failed', `${problem}; ${hint}`)
}
