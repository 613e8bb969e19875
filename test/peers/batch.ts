import { connect as connectTcp, type Socket } from 'node:net'
import type { OpenWay, Outgoing, Way } from '../../src/bench/load/outgoing.ts'
import { findPayload } from '../../src/bench/load/payload.ts'
import type { Endpoint } from '../../src/bench/load/socket.ts'

/**
 * How events get into servers that have no door of their own for publishers: batches over one TCP connection, each answered by one byte
 * when all of it has been handed to the sockets. A batch is a head of six big-endian 32-bit numbers (events, bytes of an event, where its
 * subject begins and its length, where its payload begins and its length) and the events.
 */
const headBytes = 24
const maxEvents = 1000
const maxBatches = 4
/** A larger batch is no benchmark's. */
const maxBatchBytes = 64 << 20
const nothing = Buffer.alloc(0)
/** The envelope's first field is the subject: a key and a length of one byte each. */
const subjectAt = 2

export interface Place {
  readonly subjectBytes: number
  readonly payloadAt: number
  readonly payloadBytes: number
}

/** Where subject and payload lie in an envelope: the same for all of a run. */
export function placeOf({ bytes, stride }: Outgoing): Place {
  const payloadAt = findPayload(bytes, 0, stride)
  const end = bytes.indexOf('"}', payloadAt) + 2
  return { subjectBytes: bytes[subjectAt - 1]!, payloadAt, payloadBytes: end - payloadAt }
}

export function subjectOf({ bytes, stride }: Outgoing, i: number, { subjectBytes }: Place): string {
  const at = i * stride + subjectAt
  return bytes.toString('latin1', at, at + subjectBytes)
}

export function payloadOf({ bytes, stride }: Outgoing, i: number, { payloadAt, payloadBytes }: Place): Buffer {
  return bytes.subarray(i * stride + payloadAt, i * stride + payloadAt + payloadBytes)
}

/** Connects; rejects when nobody is there. */
export function connected({ host, port }: Endpoint): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ host, port, noDelay: true }, () => resolve(socket))
    socket.once('error', reject)
  })
}

/** Calls under way on one connection, answered in their order. */
export class Waiting {
  readonly #waiting: { resolve: () => void; reject: (error: Error) => void }[] = []
  #gone: Error | undefined

  constructor(socket: Socket) {
    socket.on('error', (error) => this.#end(error))
    socket.on('close', () => this.#end(new Error('the server closed the connection for publishing')))
  }

  /** Rejects when the connection ends, or has ended: what is written to it then is dropped without a word. */
  next(): Promise<void> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone)
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }))
  }

  answered(count = 1): void {
    for (const { resolve } of this.#waiting.splice(0, count)) resolve()
  }

  #end(error: Error): void {
    this.#gone ??= error
    for (const { reject } of this.#waiting.splice(0)) reject(this.#gone)
  }
}

/** `target`: where the server takes batches, an Endpoint. */
export const openBatchWay: OpenWay = async ({ target }) => {
  const socket = await connected(target as Endpoint)
  const waiting = new Waiting(socket)
  socket.on('data', (bytes) => waiting.answered(bytes.length))
  const way: Way = {
    before: nothing,
    maxBatches,
    maxEvents,
    send(outgoing) {
      const { count, stride, bytes } = outgoing
      const { subjectBytes, payloadAt, payloadBytes } = placeOf(outgoing)
      const head = Buffer.alloc(headBytes)
      const fields = [count, stride, subjectAt, subjectBytes, payloadAt, payloadBytes]
      for (const [i, field] of fields.entries()) head.writeUInt32BE(field, i * 4)
      socket.write(head)
      socket.write(bytes.subarray(0, count * stride))
      return waiting.next()
    },
    close: async () => void socket.destroy(),
  }
  return way
}

/** The server's side: tells of each event, and answers. `payload` is valid during the call only. */
export function takeBatches(socket: Socket, event: (subject: string, payload: Buffer) => void): void {
  let held: Buffer[] = []
  let bytesHeld = 0
  let wanted = headBytes
  socket.on('error', () => {})
  socket.on('data', (chunk) => {
    held.push(chunk)
    bytesHeld += chunk.length
    while (bytesHeld >= wanted) {
      const bytes = held.length === 1 ? held[0]! : Buffer.concat(held, bytesHeld)
      const field = (i: number) => bytes.readUInt32BE(i * 4)
      const length = headBytes + field(0) * field(1)
      if (length > maxBatchBytes) throw new RangeError(`expected at most ${maxBatchBytes} bytes, got ${length}`)
      wanted = length
      held = [bytes]
      if (bytesHeld < length) continue
      for (let i = 0, at = headBytes; i < field(0); i++, at += field(1)) {
        const [subject, payload] = [at + field(2), at + field(4)]
        event(bytes.toString('latin1', subject, subject + field(3)), bytes.subarray(payload, payload + field(5)))
      }
      socket.write('.')
      held = [bytes.subarray(length)]
      bytesHeld -= length
      wanted = headBytes
    }
  })
}
