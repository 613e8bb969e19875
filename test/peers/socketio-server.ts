import { createServer as createHttpServer } from 'node:http'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { takeBatches } from './batch.ts'

/**
 * A server of socket.io: a subject is a room. Events are emitted as objects, as its documentation shows. Arguments: the port of clients,
 * that of batches, and the folder whose packages it uses.
 */
const [port, batchPort, packages] = process.argv.slice(2)

/** What is used of the package, which is none of this project's. */
interface Socket {
  join(room: string): void
  on(name: string, handler: (argument: string) => void): void
  emit(name: string): void
}
interface Server {
  on(name: 'connection', handler: (socket: Socket) => void): void
  to(room: string): { emit(name: string, argument: unknown): void }
}
type MakeServer = new (http: unknown, options: Record<string, unknown>) => Server

const { Server } = createRequire(`${packages}/`)('socket.io') as { Server: MakeServer }
const http = createHttpServer()
const io = new Server(http, { transports: ['websocket'], perMessageDeflate: false, serveClient: false })
io.on('connection', (socket) => {
  socket.on('subscribe', (subject) => {
    socket.join(subject)
    socket.emit('live')
  })
})
http.listen(Number(port), '127.0.0.1')

createServer({ noDelay: true }, (publisher) => {
  takeBatches(publisher, (subject, payload) => {
    io.to(subject).emit('event', JSON.parse(payload.toString('latin1')))
  })
}).listen(Number(batchPort), '127.0.0.1')
