/** Frames of RFC 6455, section 5.2: reads a server's frames and builds a client's. */

export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** Receives each frame. Its payload is bytes [start, end), valid only during the call. */
export type FrameSink = (opcode: number, bytes: Buffer, start: number, end: number) => void

/** Largest accepted frame; a benchmark's frames are smaller. */
const maxFrameBytes = 64 << 20

/**
 * Finds frames at any chunk boundaries. Does not copy a frame that is complete in one chunk.
 * Reports fragments of a message as separate frames: servers of small messages send no fragments.
 */
export class FrameReader {
  /**
   * Length of the incomplete frame, as far as known. The pieces are joined only when that many
   * bytes have arrived.
   */
  #wanted = 0
  #pieces: Buffer[] = []
  #held = 0

  /**
   * Reads a chunk, which may be overwritten afterwards. Throws a RangeError for a frame that is
   * masked or too long.
   */
  take(chunk: Buffer, sink: FrameSink): void {
    let bytes = chunk
    if (this.#held > 0) {
      this.#pieces.push(Buffer.from(chunk))
      this.#held += chunk.length
      if (this.#held < this.#wanted) return
      bytes = Buffer.concat(this.#pieces, this.#held)
      this.#pieces = []
      this.#held = 0
    }
    const end = this.#frames(bytes, sink)
    if (end === bytes.length) return
    this.#pieces.push(Buffer.from(bytes.subarray(end)))
    this.#held = bytes.length - end
  }

  /** Returns the start of the incomplete frame. */
  #frames(bytes: Buffer, sink: FrameSink): number {
    let at = 0
    for (;;) {
      const left = bytes.length - at
      const short = left < 2 ? 0 : bytes[at + 1]!
      const head = short === 126 ? 4 : short === 127 ? 10 : 2
      if (left < head) {
        this.#wanted = head
        return at
      }
      if (short > 127) throw new RangeError('expected unmasked frames from the server')
      const length =
        head === 2 ? short : head === 4 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
      if (length > maxFrameBytes)
        throw new RangeError(`expected a frame of at most ${maxFrameBytes} bytes, got ${length}`)
      if (left < head + length) {
        this.#wanted = head + length
        return at
      }
      sink(bytes[at]! & 15, bytes, at + head, at + head + length)
      at += head + length
    }
  }
}

/**
 * Returns a client's frame, which must be masked. The masking key is zero, so the payload stays
 * unchanged.
 */
export function clientFrame(code: number, payload: Uint8Array): Buffer {
  const long = payload.length > 125
  if (payload.length > 0xffff) throw new RangeError(`expected a client's frame below 64 KiB, got ${payload.length}`)
  const head = Buffer.alloc(long ? 8 : 6)
  head[0] = 0x80 | code
  head[1] = 0x80 | (long ? 126 : payload.length)
  if (long) head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([head, payload])
}
