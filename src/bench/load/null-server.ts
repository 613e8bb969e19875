import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { encodeDelivery } from '../../wire/delivery.ts'
import { encodeServerFrame as jsonFrame } from '../../wire/json.ts'
import { encodeServerFrame as protoFrame } from '../../wire/proto.ts'
import { openingBlock } from '../../wire/sse.ts'
import { answer } from '../process/child.ts'
import { EventTemplate } from './event-template.ts'
import { findPayload, monotonicUs, stampPayload } from './payload.ts'
import { Schedule } from './schedule.ts'

/**
 * A server that only writes: messages like a gateway's, at a rate, to each of its clients in
 * turn. A run against it measures the load generator, not the gateway.
 */

export type NullShape = 'ws-protobuf' | 'ws-json' | 'sse-json'

const prefix = 'bench.null0.s'
const token = 'AQIDBAUGBwgJCgsMDQ4PEA'
const endOfHead = '\r\n\r\n'
const opcode = { 'ws-protobuf': 2, 'ws-json': 1 } as const
const tickMs = 1

interface Guest {
  readonly socket: Socket
  number: number
}

const guests: Guest[] = []
let message: Buffer
let payloadAt = 0

function framed(shape: NullShape, payload: Uint8Array): Buffer {
  if (shape === 'sse-json') return Buffer.from(`${payload.length.toString(16)}\r\n${Buffer.from(payload)}\r\n`)
  const long = payload.length > 125
  const head = Buffer.alloc(long ? 4 : 2)
  head[0] = 0x80 | opcode[shape]
  head[1] = long ? 126 : payload.length
  if (long) head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([head, payload])
}

/** Returns the bytes that a client receives before its first message. */
function greeting(shape: NullShape): Buffer {
  if (shape === 'sse-json') return framed(shape, Buffer.from(openingBlock(token, 30_000)))
  const encode = shape === 'ws-json' ? jsonFrame : protoFrame
  const said = [encode({ kind: 'subscribed', ref: 1, after: token }), encode({ kind: 'live', ref: 1 })]
  return Buffer.concat(said.map((frame) => framed(shape, frame)))
}

function headOf(shape: NullShape): string {
  if (shape === 'sse-json') return `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked${endOfHead}`
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade${endOfHead}`
}

function messageOf(shape: NullShape, payloadBytes: number): Buffer {
  const template = new EventTemplate(prefix, payloadBytes)
  const event = Buffer.alloc(template.bytes)
  template.write(event, 0, { subject: 0, id: 0, number: 0, dueUs: 0, wallUs: 1_700_000_000_000_000 })
  const encoding = shape === 'ws-protobuf' ? 'proto' : shape === 'ws-json' ? 'json' : 'sse'
  const parts = { after: token, stream: 'events', partition: 1, offset: 1_000_000, event, eventStart: 0 }
  const delivery = encodeDelivery(encoding, { ...parts, eventEnd: event.length })
  if (shape !== 'sse-json') return framed(shape, delivery)
  return framed(shape, Buffer.concat([Buffer.from(`id: ${token}\n`), delivery]))
}

async function blast({ rate, ms }: { rate: number; ms: number }): Promise<number> {
  const schedule = new Schedule(rate, monotonicUs())
  const endUs = monotonicUs() + ms * 1000
  let sent = 0
  for (let nowUs = monotonicUs(); nowUs < endUs; nowUs = monotonicUs()) {
    const due = schedule.due(nowUs)
    for (let i = 0; i < due; i++) {
      const guest = guests[sent++ % guests.length]!
      stampPayload(message, payloadAt, schedule.dueUs(i), guest.number++)
      guest.socket.write(Buffer.from(message))
    }
    schedule.take(due)
    await new Promise((resolve) => setTimeout(resolve, tickMs))
  }
  return sent
}

const handlers = {
  listen: async ({ shape, payloadBytes }: { shape: NullShape; payloadBytes: number }): Promise<number> => {
    message = messageOf(shape, payloadBytes)
    payloadAt = findPayload(message, 0, message.length)
    const server = createServer({ noDelay: true }, (socket) => {
      socket.on('error', () => {})
      socket.once('data', () => {
        socket.write(headOf(shape))
        socket.write(greeting(shape))
        guests.push({ socket, number: 0 })
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return (server.address() as AddressInfo).port
  },
  /** Sends messages. Returns their number. */
  blast,
}
export type NullHandlers = typeof handlers

answer(handlers)
