import { connect, type Socket } from 'node:net'
import { getRequest, postRequest, textFrame, upgradeRequest } from '../support/raw-requests.ts'

/**
 * The attackers' sockets. They reconnect whenever they end, so an attack continues whatever the
 * response.
 */

/** Target of an attack: the listener for clients and the one for operators. */
export interface Aim {
  readonly port: number
  readonly admin: number
}

/**
 * Source address of all attackers and of no honest client, so that limits by address protect the
 * honest clients.
 */
const address = '127.0.0.2'

/** Counts of this process. */
export const done = { connections: 0, bytes: 0 }

/** Pause before a socket reconnects, ms: at most 20 connections a second for each socket. */
const againMs = 50
/** Longest wait for a response, ms: a server that discards never responds. */
const patienceMs = 5000
const handshakeMs = 300

/** Opens a connection that reconnects. Nothing is read from it until `begin` reads. */
export function stay(port: number, begin: (socket: Socket) => void): void {
  const socket = connect({ host: '127.0.0.1', port, localAddress: address, noDelay: true })
  done.connections++
  socket.on('error', () => {})
  socket.on('connect', () => begin(socket))
  socket.on('close', () => setTimeout(stay, againMs, port, begin))
}

/** Sends a request repeatedly, on a new connection each time. */
export function ask(port: number, request: Buffer): void {
  stay(port, (socket) => {
    send(socket, request)
    socket.resume()
    socket.setTimeout(patienceMs, () => socket.resetAndDestroy())
  })
}

/**
 * Opens a JSON WebSocket. Calls `begin` after the response to the handshake, or after the wait
 * for it.
 */
export function webSocket(port: number, begin: (socket: Socket) => void): void {
  stay(port, (socket) => {
    send(socket, upgrade)
    const answered = () => {
      clearTimeout(deadline)
      // The listener is removed by then, so `begin` may read the socket in any way.
      setImmediate(begin, socket)
    }
    socket.once('readable', answered)
    const deadline = setTimeout(() => {
      socket.off('readable', answered)
      begin(socket)
    }, handshakeMs)
  })
}

export function send(socket: Socket, bytes: Buffer): void {
  if (socket.destroyed) return
  done.bytes += bytes.length
  socket.write(bytes)
}

/** Sends `bytes` repeatedly, as fast as the other side accepts them. */
export function flood(socket: Socket, bytes: Buffer): void {
  if (socket.destroyed) return
  done.bytes += bytes.length
  socket.write(bytes, () => setImmediate(flood, socket, bytes))
}

/** Sends the pieces in order, as fast as the other side accepts them, then calls `over`. */
export function sendAll(socket: Socket, pieces: Iterator<Buffer>, over: () => void = () => {}): void {
  if (socket.destroyed) return
  const { value, done: ended } = pieces.next()
  if (ended === true) over()
  else {
    done.bytes += value.length
    socket.write(value, () => setImmediate(sendAll, socket, pieces, over))
  }
}

const closing = 'Connection: close\r\n'

export const get = (path: string): Buffer => Buffer.from(getRequest(path, closing))

export const post = (path: string, body: string, length?: number): Buffer =>
  Buffer.from(postRequest(path, body, closing, length))

export const json = (frame: object): Buffer => textFrame(JSON.stringify(frame))

/**
 * Returns the head of a client's frame of any length, masked with zeros. `code` includes 0x80 for
 * the last frame of a message.
 */
export function frameHead(code: number, length: number): Buffer {
  if (length < 126) return Buffer.from([code, 0x80 | length, 0, 0, 0, 0])
  const head = Buffer.alloc(14)
  head.set([code, 0xff])
  head.writeBigUInt64BE(BigInt(length), 2)
  return head
}

const upgrade = Buffer.from(upgradeRequest('carillon.v1.json'))
