/** RFC 6455, section 5.2: a server's frames in one connection's bytes, and a client's. */

export const opcode = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const

/** Told of each frame, its payload being bytes [start, end); valid during the call only. */
export type FrameSink = (opcode: number, bytes: Buffer, start: number, end: number) => void

/** A larger frame is no benchmark's. */
const maxFrameBytes = 64 << 20

/**
 * Finds frames wherever the bytes are cut. A frame that is complete in one chunk is not copied. Fragments of a message are told as the
 * frames that they are: servers of small messages send none.
 */
export class FrameReader {
  /** Bytes of the frame that the pieces begin, as far as known: nothing is joined before they are there. */
  #wanted = 0
  #pieces: Buffer[] = []
  #held = 0

  /** `chunk` may be overwritten afterwards. Throws a RangeError for a frame that is masked or too long. */
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

  /** Returns where the frame begins that is not complete. */
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
      if (short > 127) throw new RangeError('expected frames that are not masked, as a server sends them')
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

/** Masked with zeros: a client's frames must be masked, its payload may stay as it is. */
export function clientFrame(code: number, payload: Uint8Array): Buffer {
  const long = payload.length > 125
  if (payload.length > 0xffff) throw new RangeError(`expected a client's frame below 64 KiB, got ${payload.length}`)
  const head = Buffer.alloc(long ? 8 : 6)
  head[0] = 0x80 | code
  head[1] = 0x80 | (long ? 126 : payload.length)
  if (long) head.writeUInt16BE(payload.length, 2)
  return Buffer.concat([head, payload])
}
