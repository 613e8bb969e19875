import { CarillonError } from '../base/errors.ts'
import { quoted, shown } from '../base/shortened.ts'

/**
 * Parses a query string into the values of each parameter, in order. Percent-encoding must be
 * complete and UTF-8. `+` means itself, because times have it in their offset and no parameter
 * contains spaces. Throws `bad_request`, also for a name that is not in `known`: a mistyped
 * `after` would silently lose events.
 */
export function parseQuery(query: string, known: readonly string[]): Map<string, string[]> {
  const parameters = new Map<string, string[]>()
  for (const part of query.split('&')) {
    if (part === '') continue
    const cut = part.indexOf('=')
    const name = decode(cut === -1 ? part : part.slice(0, cut))
    if (!known.includes(name)) {
      const expected = known.length === 0 ? 'no parameters' : `the parameters ${known.join(', ')}`
      throw new CarillonError('bad_request', `expected ${expected}, got ${quote(name)}`)
    }
    const value = cut === -1 ? '' : decode(part.slice(cut + 1))
    const values = parameters.get(name)
    if (values === undefined) parameters.set(name, [value])
    else values.push(value)
  }
  return parameters
}

/** Returns the value of a parameter that may not be repeated, or undefined if it is absent. */
export function single(parameters: Map<string, string[]>, name: string): string | undefined {
  const values = parameters.get(name)
  if (values === undefined) return undefined
  if (values.length > 1) throw new CarillonError('bad_request', `expected ${name} once, got it ${values.length} times`)
  return values[0]
}

/** Returns a whole number of ms, 0 to `max`. Throws `bad_request` for anything else. */
export function wholeMs(name: string, value: unknown, max: number): number {
  const ms = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value
  if (typeof ms === 'number' && Number.isInteger(ms) && ms >= 0 && ms <= max) return ms
  throw new CarillonError(
    'bad_request',
    `expected ${name} to be a whole number of ms, 0 to ${max}, got ${quote(value)}`,
  )
}

/** Returns a value of any type and depth in a shortened form for an error message. */
export function quote(value: unknown): string {
  return typeof value === 'string' ? quoted(value, 80) : shown(value)
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw new CarillonError('bad_request', `expected percent-encoded UTF-8 in the query, got ${quote(text)}`)
  }
}
