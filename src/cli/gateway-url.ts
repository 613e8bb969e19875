import { InvalidArgumentError, Option } from 'commander'
import type { ErrorCode } from '../base/errors.ts'
import { CarillonError, errors } from '../base/errors.ts'
import { refusalOf } from '../client/refusal.ts'
import { Unreachable } from './exit.ts'
import { inTime, type Patience } from './in-time.ts'

export const defaultGateway = 'http://127.0.0.1:8080'
export const defaultAdmin = 'http://127.0.0.1:8081'

/** `--gateway`; without it where `serve` would listen by the same environment, as in a container. */
export const gatewayOption = (description: string): Option =>
  new Option('--gateway <url>', description).argParser(gatewayUrl).default(defaultGateway).env('CARILLON_LISTEN')

/** `--admin`, in the same way. */
export const adminOption = (): Option =>
  new Option('--admin <url>', "the gateway's admin listener")
    .argParser(gatewayUrl)
    .default(defaultAdmin)
    .env('CARILLON_ADMIN')

/** Every address of this host, by which nobody can be reached everywhere, and the one by which this host reaches itself. */
const wildcards: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '[::]': '[::1]' }

/** The base URL of a gateway's listener, without a path; HOST:PORT, as `serve` takes it, is http. */
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

/** Of a time that may be as long as its user likes. */
export function seconds(text: string): number {
  const value = Number(text)
  if (value > 0 && Number.isFinite(value)) return value
  throw new InvalidArgumentError('expected seconds above 0, such as 30 or 0.5')
}

/** Throws Unreachable where nothing answers, Late where it takes too long. */
export async function reach(url: string, init: RequestInit = {}, patience?: Patience): Promise<Response> {
  const { origin, port } = new URL(url)
  try {
    return await inTime(origin, (signal) => fetch(url, { ...init, signal }), patience)
  } catch (error) {
    if (error instanceof Unreachable) throw error
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
    const { message, code } = cause as NodeJS.ErrnoException
    // The Fetch standard's own list: 1, 22, 25, 6000 …
    if (message === 'bad port') throw new CarillonError('bad_request', `${origin}: HTTP clients never use port ${port}`)
    throw new Unreachable(`no answer from ${origin} (${code ?? message}): is a gateway running there?`)
  }
}

/** Asks a gateway; what it refuses is thrown as the error that it named, no answer as Unreachable. */
export async function ask(url: string, init: RequestInit = {}): Promise<Response> {
  return accepted(await reach(url, init), url)
}

/** What an admin listener shows in JSON, which has that field; throws as `ask`, and Unreachable where somebody else answers. */
export async function askAdmin<T>(url: string, field: keyof T & string): Promise<T> {
  const response = await ask(url)
  const shown = (await response.json().catch(() => undefined)) as T | null | undefined
  if (typeof shown === 'object' && shown !== null && Object.hasOwn(shown, field)) return shown
  throw stranger(url, response)
}

/** Nobody who is asked for the state of a gateway answers like this. */
export const stranger = (url: string, { status }: Response): Unreachable =>
  new Unreachable(`${url} answered ${status}, not as an admin listener does: is it one?`)

/** The answer of `who`, unless it refused. */
export async function accepted(response: Response, who: string): Promise<Response> {
  if (response.ok) return response
  const { code, message, retryAfterMs } = await refusalOf(response)
  if (!Object.hasOwn(errors, code)) throw new Unreachable(`${who} answered ${response.status}: ${message}`)
  throw new CarillonError(code as ErrorCode, message, { retryAfterMs })
}
