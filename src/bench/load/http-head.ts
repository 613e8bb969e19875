/** What HTTP/1.1 answers consist of, as far as streams of events and polls need it (RFC 9112). */

const endOfHead = Buffer.from('\r\n\r\n')
/** A longer head is no gateway's. */
const maxHeadBytes = 16_384

export interface Head {
  readonly status: number
  /** Status line and headers, without the empty line. */
  readonly text: string
  /** Where the body begins. */
  readonly end: number
}

/** undefined = it is not complete yet. Throws a RangeError for what does not become one. */
export function readHead(bytes: Buffer): Head | undefined {
  const at = bytes.indexOf(endOfHead)
  if (at < 0 && bytes.length > maxHeadBytes) throw new RangeError(`expected an HTTP head, got ${bytes.length} bytes`)
  if (at < 0) return undefined
  const text = bytes.toString('latin1', 0, at)
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1])
  if (Number.isNaN(status)) throw new RangeError(`expected an HTTP answer, got ${JSON.stringify(text.slice(0, 80))}`)
  return { status, text, end: at + endOfHead.length }
}

export function headerOf({ text }: Head, name: string): string | undefined {
  return new RegExp(`^${name}: *(.*)$`, 'im').exec(text)?.[1]
}

const lineFeed = 0x0a

/** A chunked body (RFC 9112, section 7.1), in pieces as they come. Trailers are not expected. */
export class ChunkedReader {
  /** Of the chunk that is being read, its line break included. */
  #left = 0
  #sizeText = ''

  /** `sink` is told of pieces of the body, bytes [start, end). Throws a RangeError for what is no chunk. */
  take(bytes: Buffer, sink: (bytes: Buffer, start: number, end: number) => void): void {
    let at = 0
    while (at < bytes.length) {
      if (this.#left === 0) {
        at = this.#size(bytes, at)
        continue
      }
      const taken = Math.min(this.#left, bytes.length - at)
      // The last two bytes are the line break's.
      const body = Math.min(taken, Math.max(0, this.#left - 2))
      if (body > 0) sink(bytes, at, at + body)
      this.#left -= taken
      at += taken
    }
  }

  #size(bytes: Buffer, at: number): number {
    const end = bytes.indexOf(lineFeed, at)
    this.#sizeText += bytes.toString('latin1', at, end < 0 ? bytes.length : end)
    if (this.#sizeText.length > 32) throw new RangeError('expected the size of a chunk, got a longer line')
    if (end < 0) return bytes.length
    const size = Number.parseInt(this.#sizeText, 16)
    if (!(size >= 0)) throw new RangeError(`expected the size of a chunk, got ${JSON.stringify(this.#sizeText)}`)
    this.#sizeText = ''
    this.#left = size + 2
    return end + 1
  }
}
