import type { ClientFrame, ServerFrame } from '../wire/frames.ts'
import { decodeServerFrame, encodeClientFrame } from '../wire/json.ts'

/** Encodes and decodes the frames on a WebSocket. */
export interface Codec {
  readonly subprotocol: string
  /** Returns a text message, or the bytes of a binary message. */
  encode(frame: ClientFrame): string | Uint8Array<ArrayBuffer>
  /** Returns undefined for a kind of frame that this version does not know. Throws `bad_frame`. */
  decode(message: string | Uint8Array<ArrayBuffer>): ServerFrame | undefined
}

export const jsonCodec: Codec = {
  subprotocol: 'carillon.v1.json',
  encode: encodeClientFrame,
  decode: decodeServerFrame,
}
