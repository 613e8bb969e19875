import { decodeServerFrame, encodeClientFrame } from '../wire/proto.ts'
import type { Codec } from './codec.ts'

/** Protobuf frames: events come as their publisher made them, and payloads that are not text take less. Needs the package protobufjs. */
export const protoCodec: Codec = {
  subprotocol: 'carillon.v1.proto',
  encode: (frame) => new Uint8Array(encodeClientFrame(frame)),
  decode: (message) => decodeServerFrame(typeof message === 'string' ? new TextEncoder().encode(message) : message),
}
