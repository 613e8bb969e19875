import type { Silence } from './silence.ts'

/** A body as it comes, piece by piece; each is a sign of life. Safari's streams can't be read by `for await`. */
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
