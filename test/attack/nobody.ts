import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { answer } from '../../src/bench/process/child.ts'
import type { Aim } from './sockets.ts'

/**
 * A server that accepts connections and discards data, to measure the attackers' cost to the host
 * without a gateway.
 */
const take = (socket: Socket): void => {
  socket.on('error', () => {})
  socket.resume()
}

const handlers = {
  listen: async ({ port, admin }: Aim): Promise<void> => {
    for (const each of [port, admin]) {
      const server = createServer(take)
      server.listen(each, '127.0.0.1')
      await once(server, 'listening')
    }
  },
}
export type NobodyHandlers = typeof handlers

answer(handlers)
