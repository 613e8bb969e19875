import type { Encoding, ServerFrame } from './frames.ts'
import { encodeServerFrame as toJson } from './json.ts'
import { encodeServerFrame as toProto } from './proto.ts'
import { encodeServerFrame as toSse } from './sse.ts'

/**
 * Encodes any frame in any encoding. For deliveries, delivery.ts writes the same bytes without
 * decoding the envelope.
 */
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
