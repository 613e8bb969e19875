import { InvalidArgumentError, Option } from 'commander'
import type { ErrorCode } from '../base/errors.ts'
import { CarillonError, errors } from '../base/errors.ts'
import { refusalOf } from '../client/refusal.ts'
import { Unreachable } from './exit.ts'
import { inTime, type Patience } from './in-time.ts'

export const defaultGateway = 'http://127.0.0.1:8080'
export const defaultAdmin = 'http://127.0.0.1:8081'

/**
 * Returns the option `--gateway`. Its environment variable is that of `serve`, so that commands in
 * the same container find the gateway.
 */
export const gatewayOption = (description: string): Option =>
  new Option('--gateway <url>', description).argParser(gatewayUrl).default(defaultGateway).env('CARILLON_LISTEN')

/** Returns the option `--admin`, with the environment variable of `serve`. */
export const adminOption = (): Option =>
  new Option('--admin <url>', "the gateway's admin listener")
    .argParser(gatewayUrl)
    .default(defaultAdmin)
    .env('CARILLON_ADMIN')

/**
 * Loopback address by wildcard address. A listener on a wildcard address listens on every address
 * of the host; not every system can connect to the wildcard address itself.
 */
const wildcards: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '[::]': '[::1]' }

/** Parses a listener's base URL, without a path. HOST:PORT, the form for `serve`, means http. */
export function gatewayUrl(text: string): string {
  const full = text.includes('://') ? text : `http://${text}`
  const url = URL.canParse(full) ? new URL(full) : undefined
  if (url !== undefined && /^https?:$/.test(url.protocol) && url.pathname === '/' && url.search === '') {
    url.hostname = wildcards[url.hostname] ?? url.hostname
    return url.origin
  }
  throw new InvalidArgumentError('expected a URL such as http://127.0.0.1:8080, or HOST:PORT')
}

export function wholeNumber(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('expected a whole number above 0')
  return value
}

/** Parses a duration in seconds, which may be arbitrarily long. */
export function seconds(text: string): number {
  const value = Number(text)
  if (value > 0 && Number.isFinite(value)) return value
  throw new InvalidArgumentError('expected seconds above 0, such as 30 or 0.5')
}

/** Fetches a URL. Throws Unreachable if nothing answers, Late after the timeout. */
export async function reach(url: string, init: RequestInit = {}, patience?: Patience): Promise<Response> {
  const { origin, port } = new URL(url)
  try {
    return await inTime(origin, (signal) => fetch(url, { ...init, signal }), patience)
  } catch (error) {
    if (error instanceof Unreachable) throw error
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const { message, code } = cause as NodeJS.ErrnoException
    // The Fetch standard blocks ports such as 1, 22, 25 and 6000.
    if (message === 'bad port') throw new CarillonError('bad_request', `${origin}: HTTP clients never use port ${port}`)
    throw new Unreachable(`no answer from ${origin} (${code ?? message}): is a gateway running there?`)
  }
}

/**
 * Sends a request to a gateway. Throws the error that it answers with; Unreachable without an
 * answer.
 */
export async function ask(url: string, init: RequestInit = {}): Promise<Response> {
  return accepted(await reach(url, init), url)
}

/**
 * Fetches JSON with the given field from an admin listener. Throws like `ask`, and Unreachable if
 * another server answers.
 */
export async function askAdmin<T>(url: string, field: keyof T & string): Promise<T> {
  const response = await ask(url)
  const shown = (await response.json().catch(() => undefined)) as T | null | undefined
  if (typeof shown === 'object' && shown !== null && Object.hasOwn(shown, field)) return shown
  throw stranger(url, response)
}

/** Returns the error for an answer that no admin listener sends. */
export const stranger = (url: string, { status }: Response): Unreachable =>
  new Unreachable(`${url} answered ${status}, but not like an admin listener: is it one?`)

/**
 * Returns the response of `who` if it is a success; otherwise throws the error that it contains.
 */
export async function accepted(response: Response, who: string): Promise<Response> {
  if (response.ok) return response
  const { code, message, retryAfterMs } = await refusalOf(response)
  if (!Object.hasOwn(errors, code)) throw new Unreachable(`${who} answered ${response.status}: ${message}`)
  throw new CarillonError(code as ErrorCode, message, { retryAfterMs })
}
