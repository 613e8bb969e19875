import { CarillonError } from '../base/errors.ts'

/** Maximum length of a line, bytes: well above the largest event that a gateway accepts. */
export const maxLineBytes = 64 * 1024 * 1024

const lineFeed = 0x0a
const carriageReturn = 0x0d

/**
 * Yields the lines of a stream as bytes, without LF or CRLF. The last line may have no line end.
 * Throws `bad_request` for a line above `maxBytes`.
 */
export async function* splitLines(
  input: AsyncIterable<Uint8Array>,
  maxBytes: number = maxLineBytes,
): AsyncGenerator<Uint8Array> {
  let pieces: Uint8Array[] = []
  let length = 0
  let number = 1
  for await (const chunk of input) {
    let start = 0
    for (let end = chunk.indexOf(lineFeed); end >= 0; end = chunk.indexOf(lineFeed, start)) {
      pieces.push(chunk.subarray(start, end))
      yield joined(pieces)
      pieces = []
      length = 0
      number++
      start = end + 1
    }
    pieces.push(chunk.subarray(start))
    length += chunk.length - start
    if (length > maxBytes) {
      throw new CarillonError('bad_request', `line ${number}: expected at most ${maxBytes} bytes, got more`)
    }
  }
  if (length > 0) yield joined(pieces)
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const line = pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces)
  return line.at(-1) === carriageReturn ? line.subarray(0, -1) : line
}
