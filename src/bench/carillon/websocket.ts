import type { ServerFrame } from '../../wire/frames.ts'
import { decodeServerFrame as decodeJson, encodeClientFrame as encodeJson } from '../../wire/json.ts'
import { decodeServerFrame as decodeProto, encodeClientFrame as encodeProto } from '../../wire/proto.ts'
import type { Followed, Listener } from '../load/conversation.ts'
import { dueUsOf, findPayload, numberOf } from '../load/payload.ts'
import type { Dialect } from '../load/websocket.ts'

/** Carillon's two subprotocols. Of a delivery its token and the payload's head are read, from the bytes; what is rare is decoded. */

const path = '/v1/ws'
const quote = 0x22
const jsonDelivery = Buffer.from('{"delivery":{"after":"')
/** Keys of fields (proto/carillon/v1/gateway.proto): number × 8 + wire type. */
const protoKey = { delivery: 26, after: 10 } as const

export const jsonDialect: Dialect = {
  path,
  headers: 'Sec-WebSocket-Protocol: carillon.v1.json\r\n',
  opened({ followed }, send) {
    for (const [i, each] of followed.entries()) send(encodeJson(subscribe(i, each)))
  },
  message(listener, bytes, start, end) {
    const tokenAt = start + jsonDelivery.length
    // No other frame is as long and has this byte there: one comparison tells deliveries apart.
    const isDelivery = tokenAt < end && bytes[start + 2] === 0x64 && bytes[tokenAt - 1] === quote
    if (isDelivery) {
      const tokenEnd = bytes.indexOf(quote, tokenAt)
      const of = tellEvent(listener, bytes, tokenEnd, end)
      listener.position(bytes, tokenAt, tokenEnd, of)
    } else hear(listener, decodeJson(bytes.toString('utf8', start, end)))
    return undefined
  },
}

export const protoDialect: Dialect = {
  path,
  headers: 'Sec-WebSocket-Protocol: carillon.v1.proto\r\n',
  opened({ followed }, send) {
    for (const [i, each] of followed.entries()) send(encodeProto(subscribe(i, each)))
  },
  message(listener, bytes, start, end) {
    // The frame's length is a varint of one to five bytes.
    let at = start + 1
    while (at < end && bytes[at]! >= 0x80) at++
    const tokenAt = at + 3
    if (bytes[start] === protoKey.delivery && bytes[at + 1] === protoKey.after) {
      const tokenEnd = tokenAt + bytes[at + 2]!
      const of = tellEvent(listener, bytes, tokenEnd, end)
      listener.position(bytes, tokenAt, tokenEnd, of)
    } else hear(listener, decodeProto(Buffer.from(bytes.subarray(start, end))))
    return undefined
  },
}

/** Its ref counts the subscriptions from 1. */
function subscribe(i: number, { subject, token }: Followed) {
  return { kind: 'subscribe', ref: i + 1, subject, after: token === '' ? [] : [token] } as const
}

/** Returns which of the subjects followed the event is of. */
function tellEvent(listener: Listener, bytes: Buffer, start: number, end: number): number {
  const at = findPayload(bytes, start, end)
  if (at < 0) throw new Error('expected a delivery of an event of this benchmark, got another event')
  const of = listener.followed.length === 1 ? 0 : listener.find(bytes, start, end)
  listener.event(dueUsOf(bytes, at), numberOf(bytes, at), of)
  return of
}

/** Whatever is no delivery. */
function hear(listener: Listener, frame: ServerFrame | undefined): void {
  switch (frame?.kind) {
    case 'subscribed':
      tellPosition(listener, frame.after, frame.ref - 1)
      break
    case 'live':
      listener.live()
      break
    case 'gap':
      listener.gap()
      // It is a position in one partition: with several subjects, it says nothing of where the others are.
      if (listener.followed.length === 1) tellPosition(listener, frame.after, 0)
      break
    case 'error':
      throw new Error(`the gateway answered ${frame.code}: ${frame.message}`)
  }
}

function tellPosition(listener: Listener, token: string, of: number): void {
  const bytes = Buffer.from(token, 'latin1')
  listener.position(bytes, 0, bytes.length, of)
}
