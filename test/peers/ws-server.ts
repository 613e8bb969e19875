import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import type { WebSocket as Client, WebSocketServer as Server } from 'ws'
import { takeBatches } from './batch.ts'

/**
 * A server of `ws` as small as such servers are: a map from subject to sockets. Arguments: the port of clients, that of batches, and
 * the folder whose packages it uses.
 */
const [port, batchPort, packages] = process.argv.slice(2)
const { WebSocketServer } = createRequire(`${packages}/`)('ws') as { WebSocketServer: typeof Server }
const rooms = new Map<string, Set<Client>>()

const server = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(port),
  perMessageDeflate: false,
  clientTracking: false,
})
server.on('connection', (socket, request) => {
  const subject = decodeURIComponent(request.url!.slice(2))
  const room = rooms.get(subject) ?? new Set()
  rooms.set(subject, room.add(socket))
  socket.on('close', () => room.delete(socket) && room.size === 0 && rooms.delete(subject))
  socket.send('live')
})

createServer({ noDelay: true }, (publisher) => {
  takeBatches(publisher, (subject, payload) => {
    const room = rooms.get(subject)
    if (room === undefined) return
    // The bytes are overwritten by the next batch, and `ws` may keep them.
    const message = Buffer.from(payload)
    for (const socket of room) socket.send(message, { binary: false })
  })
}).listen(Number(batchPort), '127.0.0.1')
