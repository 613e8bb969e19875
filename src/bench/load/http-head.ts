/** Parts of HTTP/1.1 responses that SSE streams and polls need (RFC 9112). */

const endOfHead = Buffer.from('\r\n\r\n')
/** Longest accepted head, bytes. A gateway's heads are shorter. */
const maxHeadBytes = 16_384

export interface Head {
  readonly status: number
  /** Status line and headers, without the empty line. */
  readonly text: string
  /** Where the body begins. */
  readonly end: number
}

/**
 * Returns the head; undefined = not complete yet. Throws a RangeError for a head that is too
 * long.
 */
export function readHead(bytes: Buffer): Head | undefined {
  const at = bytes.indexOf(endOfHead)
  if (at < 0 && bytes.length > maxHeadBytes) throw new RangeError(`expected an HTTP head, got ${bytes.length} bytes`)
  if (at < 0) return undefined
  const text = bytes.toString('latin1', 0, at)
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1])
  if (Number.isNaN(status)) throw new RangeError(`expected an HTTP response, got ${JSON.stringify(text.slice(0, 80))}`)
  return { status, text, end: at + endOfHead.length }
}

export function headerOf({ text }: Head, name: string): string | undefined {
  return new RegExp(`^${name}: *(.*)$`, 'im').exec(text)?.[1]
}

const lineFeed = 0x0a

/** Reads a chunked body (RFC 9112, section 7.1) piece by piece. Does not support trailers. */
export class ChunkedReader {
  /** Bytes left of the current chunk, its line break included. */
  #left = 0
  #sizeText = ''

  /**
   * Passes pieces of the body to `sink`, bytes [start, end). Throws a RangeError for an invalid
   * chunk.
   */
  take(bytes: Buffer, sink: (bytes: Buffer, start: number, end: number) => void): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#left === 0) {
        at = this.#size(bytes, at)
        continue
      }
      const taken = Math.min(this.#left, bytes.length - at)
      // The last two bytes are the line break.
      const body = Math.min(taken, Math.max(0, this.#left - 2))
      if (body > 0) sink(bytes, at, at + body)
      this.#left -= taken
      at += taken
    }
  }

  #size(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(lineFeed, at)
    this.#sizeText += bytes.toString('latin1', at, end < 0 ? bytes.length : end)
    if (this.#sizeText.length > 32) throw new RangeError('expected a chunk size, got a line above 32 bytes')
    if (end < 0) return bytes.length
    const size = Number.parseInt(this.#sizeText, 16)
    if (!(size >= 0)) throw new RangeError(`expected a chunk size, got ${JSON.stringify(this.#sizeText)}`)
    this.#sizeText = ''
    this.#left = size + 2
    return end + 1
  }
}
