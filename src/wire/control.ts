import type { Encoding, ServerFrame } from './frames.ts'
import { encodeServerFrame as toJson } from './json.ts'
import { encodeServerFrame as toProto } from './proto.ts'
import { encodeServerFrame as toSse } from './sse.ts'

/** Any frame in any encoding. For deliveries delivery.ts does the same from an envelope's bytes, without decoding them. */
export function encodeControl(encoding: Encoding, frame: ServerFrame): Uint8Array {
  switch (encoding) {
    case 'json':
      return toJson(frame)
    case 'proto':
      return toProto(frame)
    case 'sse':
      return toSse(frame)
  }
}
