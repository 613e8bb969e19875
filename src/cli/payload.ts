import { createReadStream } from 'node:fs'
import { CarillonError } from '../base/errors.ts'
import { maxLineBytes } from './lines.ts'

/**
 * The bytes that an argument means: itself, `@FILE` what is in the file, `@-` all of `stdin`, and `@@…` itself without its first @. Throws
 * `bad_request` for what can't be read, and beyond `maxLineBytes`, which no gateway takes.
 */
export async function payloadOf(text: string, stdin: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  if (!text.startsWith('@')) return Buffer.from(text)
  const file = text.slice(1)
  if (file.startsWith('@')) return Buffer.from(file)
  return file === '-' ? all(stdin, '@-') : read(file)
}

/** A pipe, as a shell's <(…) is one, and a device do not say how much is in them. */
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
    throw new CarillonError(
      'bad_request',
      `@${file}: expected a file that can be read (${hint}): ${(error as Error).message}`,
    )
  }
}

const tooMuch = (what: string) =>
  new CarillonError('bad_request', `${what}: expected at most ${maxLineBytes} bytes, got more`)
