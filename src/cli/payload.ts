import { createReadStream } from 'node:fs'
import { CarillonError } from '../base/errors.ts'
import { maxLineBytes } from './lines.ts'

/**
 * Returns the payload for an argument: the text itself, the content of the file for `@FILE`, all
 * of `stdin` for `@-`, and the text without its first @ for `@@…`. Throws `bad_request` if a file
 * can't be read, and beyond `maxLineBytes`, which no gateway accepts.
 */
export async function payloadOf(text: string, stdin: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  if (!text.startsWith('@')) return Buffer.from(text)
  const file = text.slice(1)
  if (file.startsWith('@')) return Buffer.from(file)
  return file === '-' ? all(stdin, '@-') : read(file)
}

/**
 * Reads to the end, up to the bound. The size is not known before: a pipe, such as a shell's <(…),
 * or a device does not report it.
 */
async function all(from: AsyncIterable<Uint8Array>, what: string): Promise<Uint8Array> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of from) {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > maxLineBytes) throw tooMuch(what)
  }
  return Buffer.concat(chunks)
}

async function read(file: string): Promise<Uint8Array> {
  try {
    return await all(createReadStream(file), `@${file}`)
  } catch (error) {
    if (error instanceof CarillonError) throw error
    const hint = 'write @@ for a payload that begins with @'
    throw new CarillonError('bad_request', `@${file}: expected a readable file (${hint}): ${(error as Error).message}`)
  }
}

const tooMuch = (what: string) =>
  new CarillonError('bad_request', `${what}: expected at most ${maxLineBytes} bytes, got more`)
