import { CarillonError, type Retry } from '../base/errors.ts'
import type { Refusal } from './connection.ts'

/** What an error frame says. */
export function refusal({ code, message, retry, retryAfterMs }: Refusal): Refusal {
  return { code, message, retry, retryAfterMs }
}

/** What a caller of the SDK is thrown: a gateway's refusal as an error. */
export class RefusedError extends Error {
  /** As `Reason.code`. */
  readonly code: string
  /** Whether the same call can succeed later. */
  readonly retry: Retry
  /** How long to wait before trying again, ms; 0 = the caller's own choice. */
  readonly retryAfterMs: number

  constructor(code: string, message: string, options: Partial<Refusal> & { cause?: unknown } = {}) {
    super(message, options)
    this.name = 'RefusedError'
    this.code = code
    this.retry = options.retry ?? 'no'
    this.retryAfterMs = options.retryAfterMs ?? 0
  }
}

export const refusedError = (refused: Refusal): RefusedError => new RefusedError(refused.code, refused.message, refused)

/** `cause`: what the platform shows of it, an error or words. */
export function lost(url: string, cause: unknown): Refusal {
  return { code: 'lost', message: `no connection to ${url}: ${textOf(cause)}`, retryAfterMs: 0, retry: 'later' }
}

/** Node says in an error's cause what `fetch failed` is about. */
function textOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const { message, code } = (cause.cause ?? {}) as { message?: string; code?: string }
  const more = message || code
  return more ? `${cause.message}: ${more}` : cause.message
}

/** What came from the gateway and could not be read; undefined for any other failure. */
export function unreadable(error: unknown): Refusal | undefined {
  if (!(error instanceof CarillonError)) return undefined
  return { code: error.code, message: error.message, retryAfterMs: 0, retry: 'no', unreadable: true }
}

/** Whatever was thrown. */
export function failure(error: unknown): Refusal {
  return unreadable(error) ?? { code: 'internal', message: String(error), retryAfterMs: 0, retry: 'later' }
}

/** An HTTP answer that no gateway gave: a proxy's. */
export function isProxys({ code }: Refusal): boolean {
  return code.startsWith('http_') && code !== 'http_204'
}

/** A proxy's wish counts up to this, ms. */
const mostRetryAfterMs = 3_600_000

/** Of the header `Retry-After`, ms: seconds, or a date to be held against the answer's own. 0 where it is not there. */
function retryAfterMsOf(headers: Response['headers']): number {
  const after = headers.get('retry-after') ?? ''
  const ms = /^\d+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - Date.parse(headers.get('date') ?? '')
  return ms > 0 ? Math.min(ms, mostRetryAfterMs) : 0
}

/** The refusal in an HTTP answer that is not 200. */
export async function refusalOf(response: Response): Promise<Refusal> {
  const { status } = response
  // 204 says stop; all else is a proxy's answer, not a gateway's.
  const final = status === 204 || (status >= 400 && status < 500 && status !== 408 && status !== 429)
  const byStatus = final ? 'no' : 'later'
  const asked = retryAfterMsOf(response.headers)
  const text = await response.text().catch(() => '')
  const { code, message, retry, retryAfterMs } = errorIn(text)
  if (typeof code !== 'string' || typeof message !== 'string') {
    const shown = status === 204 ? 'the gateway has no more' : text.slice(0, 200)
    return { code: `http_${status}`, message: shown, retry: byStatus, retryAfterMs: asked }
  }
  return {
    code,
    message,
    retry: retry === 'no' || retry === 'later' ? retry : byStatus,
    retryAfterMs: typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? retryAfterMs : asked,
  }
}

/** A gateway's answer, JSON with that list; throws where it is somebody else's. */
export function answerWith<T>(list: keyof T & string, text: string): T {
  try {
    const answer = JSON.parse(text)
    if (Array.isArray(answer[list])) return answer
  } catch {}
  throw new Error(`expected JSON with "${list}", got ${text.slice(0, 80)}`)
}

/** What a body in JSON has as its `error`, which may be a proxy's and of any form; nothing where it has none. */
function errorIn(text: string): { readonly [field in keyof Refusal]?: unknown } {
  try {
    return Object((JSON.parse(text) as { error?: unknown } | null)?.error)
  } catch {
    return {}
  }
}

/** Calls a user's function: an error in it is thrown where nobody catches it, and touches nobody else. */
export function tell(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    throwLater(error)
  }
}

/** Where nobody catches it. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
