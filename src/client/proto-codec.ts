import { decodeServerFrame, encodeClientFrame } from '../wire/proto.ts'
import type { Codec } from './codec.ts'

/**
 * Protobuf frames. Payloads arrive byte for byte as published, and those that are not text take
 * less space. Needs the package protobufjs.
 */
export const protoCodec: Codec = {
  subprotocol: 'carillon.v1.proto',
  encode: (frame) => new Uint8Array(encodeClientFrame(frame)),
  decode: (message) => decodeServerFrame(typeof message === 'string' ? new TextEncoder().encode(message) : message),
}
