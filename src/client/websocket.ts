import type { ServerFrame } from '../wire/frames.ts'
import { decodeServerFrame as fromJson, encodeClientFrame as toJson } from '../wire/json.ts'
import { decodeServerFrame as fromProto, encodeClientFrame as toProto } from '../wire/proto.ts'
import type { Open, Refusal } from './connection.ts'
import { refusal } from './refusal.ts'

/** A socket that does not open within this time is given up, ms. */
const openMs = 10_000

/** `GET /v1/ws`, with the protobuf or the JSON subprotocol. */
export function openWebSocket(encoding: 'json' | 'proto'): Open {
  return (gateway, wishes, handlers) => {
    const socket = new WebSocket(`${gateway.replace(/^http/, 'ws')}/v1/ws`, `carillon.v1.${encoding}`)
    socket.binaryType = 'arraybuffer'
    let refused: Refusal | undefined
    let over = false
    const timer = setTimeout(() => socket.close(), openMs)
    const end = () => {
      if (over) return
      over = true
      clearTimeout(timer)
      handlers.closed(refused)
    }
    socket.onopen = () => {
      clearTimeout(timer)
      for (const { ref, subject, after } of wishes) {
        const frame = { kind: 'subscribe', ref, subject, after } as const
        socket.send(encoding === 'json' ? toJson(frame) : new Uint8Array(toProto(frame)))
      }
    }
    socket.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (over) return
      const frame: ServerFrame | undefined = typeof data === 'string' ? fromJson(data) : fromProto(new Uint8Array(data))
      if (frame === undefined) return
      if (frame.kind === 'error') refused = refusal(frame.code, frame.message, frame.retryAfterMs)
      handlers.frame(frame)
    }
    socket.onerror = () => {}
    socket.onclose = end
    return {
      close() {
        over = true
        clearTimeout(timer)
        socket.close(1000)
      },
    }
  }
}
