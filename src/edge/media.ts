import { CarillonError } from '../base/errors.ts'
import type { Request } from './listener.ts'
import { quote } from './query.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Returns the request's media type without parameters. Throws `unsupported_media_type` unless it
 * is one of `accepted`. This also keeps out plain HTML forms of other sites, which need no
 * preflight (cross-site request forgery).
 */
export function mediaType<T extends string>(req: Request, accepted: readonly T[]): T {
  const header = req.getHeader('content-type')
  const type = header.split(';', 1)[0]!.trim().toLowerCase()
  const found = accepted.find((name) => name === type)
  if (found !== undefined) return found
  throw new CarillonError(
    'unsupported_media_type',
    `expected Content-Type ${accepted.join(' or ')}, got ${quote(header)}`,
  )
}

/** Parses a JSON body. Throws `bad_request` if it is not JSON in UTF-8. */
export function jsonBody(body: Uint8Array): unknown {
  return parseJson(jsonText(body))
}

/** Decodes a body as UTF-8. Throws `bad_request` if it is not UTF-8. */
export function jsonText(body: Uint8Array): string {
  try {
    return utf8.decode(body)
  } catch (cause) {
    throw new CarillonError('bad_request', 'expected JSON as the body: it is not UTF-8', { cause })
  }
}

/** Parses JSON. Throws `bad_request` if it is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new CarillonError('bad_request', `expected JSON as the body: ${(cause as Error).message}`, { cause })
  }
}
