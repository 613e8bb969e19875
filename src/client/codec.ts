import type { ClientFrame, ServerFrame } from '../wire/frames.ts'
import { decodeServerFrame, encodeClientFrame } from '../wire/json.ts'

/** How frames travel on a WebSocket. */
export interface Codec {
  readonly subprotocol: string
  /** A text message, or the bytes of a binary one. */
  encode(frame: ClientFrame): string | Uint8Array<ArrayBuffer>
  /** undefined for a kind of frame that this version does not know. Throws `bad_frame`. */
  decode(message: string | Uint8Array<ArrayBuffer>): ServerFrame | undefined
}

export const jsonCodec: Codec = {
  subprotocol: 'carillon.v1.json',
  encode: encodeClientFrame,
  decode: decodeServerFrame,
}
