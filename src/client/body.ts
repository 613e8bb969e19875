import type { Silence } from './silence.ts'

/**
 * Reads a body chunk by chunk. Each chunk is a sign of life. It uses a reader, because Safari's
 * streams do not support `for await`.
 */
export async function readBody(
  { body }: Response,
  silence: Silence,
  take: (piece: Uint8Array<ArrayBuffer>) => void,
): Promise<void> {
  const reader = body!.getReader()
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    silence.heard()
    take(next.value)
  }
}
