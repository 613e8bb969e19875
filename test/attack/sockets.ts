import { connect, type Socket } from 'node:net'
import { getRequest, postRequest, textFrame, upgradeRequest } from '../support/raw-requests.ts'

/** How attackers talk: sockets that come again whenever they have ended, so an attack goes on whatever it is answered. */

/** Where an attack goes: the listener for clients, and the one for operators. */
export interface Aim {
  readonly port: number
  readonly admin: number
}

/** All attackers have this one, and no honest client has it: what is shared out by address protects those. */
const address = '127.0.0.2'

/** What this process has done so far. */
export const done = { connections: 0, bytes: 0 }

/** Until a socket that has ended comes again, ms: so a socket makes at most 20 connections a second. */
const againMs = 50
/** The longest wait for an answer, ms: who only discards gives none. */
const patienceMs = 5000
const handshakeMs = 300

/** A connection that comes again. Nothing is read from it until `begin` reads. */
export function stay(port: number, begin: (socket: Socket) => void): void {
  const socket = connect({ host: '127.0.0.1', port, localAddress: address, noDelay: true })
  done.connections++
  socket.on('error', () => {})
  socket.on('connect', () => begin(socket))
  socket.on('close', () => setTimeout(stay, againMs, port, begin))
}

/** A request again and again, on a connection of its own each time. */
export function ask(port: number, request: Buffer): void {
  stay(port, (socket) => {
    send(socket, request)
    socket.resume()
    socket.setTimeout(patienceMs, () => socket.resetAndDestroy())
  })
}

/** A JSON WebSocket; `begin` has it once the handshake was answered, or was not. */
export function webSocket(port: number, begin: (socket: Socket) => void): void {
  stay(port, (socket) => {
    send(socket, upgrade)
    const answered = () => {
      clearTimeout(deadline)
      // The listener has gone by then, so that the socket may be read in any way.
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

/** As fast as the other side takes it. */
export function flood(socket: Socket, bytes: Buffer): void {
  if (socket.destroyed) return
  done.bytes += bytes.length
  socket.write(bytes, () => setImmediate(flood, socket, bytes))
}

/** One after the other, as fast as the other side takes them; then `over`. */
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

/** The head of a client's frame of any length, masked with zeros; `code` with 0x80 where it is the message's last one. */
export function frameHead(code: number, length: number): Buffer {
  if (length < 126) return Buffer.from([code, 0x80 | length, 0, 0, 0, 0])
  const head = Buffer.alloc(14)
  head.set([code, 0xff])
  head.writeBigUInt64BE(BigInt(length), 2)
  return head
}

const upgrade = Buffer.from(upgradeRequest('carillon.v1.json'))
