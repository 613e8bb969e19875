import type { OpenWay } from '../../src/bench/load/outgoing.ts'
import type { Endpoint } from '../../src/bench/load/socket.ts'
import { connected, payloadOf, placeOf, subjectOf, Waiting } from './batch.ts'

const pong = 'PONG\r\n'

/** Core NATS over one TCP connection: a batch of PUBs and a PING, whose PONG says that all of them have been routed. */
export const openNatsWay: OpenWay = async ({ target }) => {
  const socket = await connected(target as Endpoint)
  const waiting = new Waiting(socket)
  let rest = ''
  socket.setEncoding('latin1').on('data', (text) => {
    rest += text
    // The server has a PING of its own now and then.
    if (rest.includes('PING\r\n')) socket.write(pong)
    waiting.answered(rest.split(pong).length - 1)
    rest = rest.slice(rest.lastIndexOf('\n') + 1)
  })
  socket.write('CONNECT {"verbose":false,"pedantic":false,"lang":"bench","version":"1"}\r\n')
  return {
    before: Buffer.alloc(0),
    maxBatches: 4,
    maxEvents: 1000,
    send(outgoing) {
      const place = placeOf(outgoing)
      const parts: Buffer[] = []
      for (let i = 0; i < outgoing.count; i++) {
        const head = `${i === 0 ? '' : '\r\n'}PUB ${subjectOf(outgoing, i, place)} ${place.payloadBytes}\r\n`
        parts.push(Buffer.from(head, 'latin1'), payloadOf(outgoing, i, place))
      }
      parts.push(Buffer.from('\r\nPING\r\n'))
      socket.write(Buffer.concat(parts))
      return waiting.next()
    },
    close: async () => void socket.destroy(),
  }
}
