import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** Where a server listens. */
export interface Endpoint {
  readonly host: string
  readonly port: number
  readonly tls: boolean
}

export interface SocketOptions {
  readonly endpoint: Endpoint
  /**
   * Source address; undefined = the system chooses. A pair of addresses can have only as many
   * connections as there are ephemeral ports.
   */
  readonly localAddress?: string | undefined
  readonly opened: () => void
  /**
   * Takes received bytes, which the next read of any socket overwrites. Returns false to stop
   * reading until `resume`.
   */
  readonly bytes: (bytes: Buffer) => boolean
  /** Called once when the connection ends, unless this side destroyed it. */
  readonly gone: (why: string) => void
}

/** All sockets of this process read into this buffer in turn. */
const readBuffer = Buffer.allocUnsafe(256 * 1024)

export function openSocket({ endpoint, localAddress, opened, bytes, gone }: SocketOptions): Socket {
  const { host, port, tls } = endpoint
  const onread = { buffer: readBuffer, callback: (length: number) => bytes(readBuffer.subarray(0, length)) }
  const options = { host, port, onread, noDelay: true, ...(localAddress === undefined ? {} : { localAddress }) }
  // The operator chooses the server, and test certificates are self-signed.
  const socket = tls ? connectTls({ ...options, rejectUnauthorized: false }, opened) : connectTcp(options, opened)
  let told = false
  const tell = (why: string) => {
    if (told) return
    told = true
    gone(why)
  }
  socket.on('error', (error: NodeJS.ErrnoException) => tell(error.code ?? error.message))
  socket.on('close', () => tell('the server closed the connection'))
  return socket
}

export const authorityOf = ({ host, port }: Endpoint): string => `${host.includes(':') ? `[${host}]` : host}:${port}`
