import { CarillonError, type Retry } from '../base/errors.ts'
import type { Refusal } from './connection.ts'

/** Returns the refusal in an error frame. */
export function refusal({ code, message, retry, retryAfterMs }: Refusal): Refusal {
  return { code, message, retry, retryAfterMs }
}

/** A gateway's refusal as the error that the SDK throws. */
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

/** Returns a lost connection as a refusal. `cause`: the platform's error, or a text. */
export function lost(url: string, cause: unknown): Refusal {
  return { code: 'lost', message: `no connection to ${url}: ${textOf(cause)}`, retryAfterMs: 0, retry: 'later' }
}

/** Node reports the reason of `fetch failed` in the error's cause. */
function textOf(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const { message, code } = (cause.cause ?? {}) as { message?: string; code?: string }
  const more = message || code
  return more ? `${cause.message}: ${more}` : cause.message
}

/** Returns the refusal for unreadable input from the gateway; undefined for any other failure. */
export function unreadable(error: unknown): Refusal | undefined {
  if (!(error instanceof CarillonError)) return undefined
  return { code: error.code, message: error.message, retryAfterMs: 0, retry: 'no', unreadable: true }
}

/** Returns the refusal for any thrown value. */
export function failure(error: unknown): Refusal {
  return unreadable(error) ?? { code: 'internal', message: String(error), retryAfterMs: 0, retry: 'later' }
}

/** Whether the refusal is an HTTP status from a proxy, not from a gateway. */
export function isProxys({ code }: Refusal): boolean {
  return code.startsWith('http_') && code !== 'http_204'
}

/** Upper bound for a proxy's Retry-After, ms. */
const mostRetryAfterMs = 3_600_000

/**
 * Returns the header `Retry-After` (RFC 9110 section 10.2.3) in ms: seconds, or a date compared
 * with the response's own `Date`. 0 = absent.
 */
function retryAfterMsOf(headers: Response['headers']): number {
  const after = headers.get('retry-after') ?? ''
  const ms = /^\d+$/.test(after) ? Number(after) * 1000 : Date.parse(after) - Date.parse(headers.get('date') ?? '')
  return ms > 0 ? Math.min(ms, mostRetryAfterMs) : 0
}

/** Returns the refusal in an HTTP response whose status is not 200. */
export async function refusalOf(response: Response): Promise<Refusal> {
  const { status } = response
  // 204 means stop. Any other status without a gateway's error is a proxy's answer.
  const final = status === 204 || (status >= 400 && status < 500 && status !== 408 && status !== 429)
  const byStatus = final ? 'no' : 'later'
  const asked = retryAfterMsOf(response.headers)
  const text = await response.text().catch(() => '')
  const { code, message, retry, retryAfterMs } = errorIn(text)
  if (typeof code !== 'string' || typeof message !== 'string') {
    const shown = status === 204 ? 'the gateway has no more events' : text.slice(0, 200)
    return { code: `http_${status}`, message: shown, retry: byStatus, retryAfterMs: asked }
  }
  return {
    code,
    message,
    retry: retry === 'no' || retry === 'later' ? retry : byStatus,
    retryAfterMs: typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? retryAfterMs : asked,
  }
}

/** Parses a gateway's answer: JSON with the list `list`. Throws if something else answered. */
export function answerWith<T>(list: keyof T & string, text: string): T {
  try {
    const answer = JSON.parse(text)
    if (Array.isArray(answer[list])) return answer
  } catch {}
  throw new Error(`expected JSON with "${list}", got ${text.slice(0, 80)}`)
}

/**
 * Returns the `error` of a JSON body, or an empty object if there is none. A proxy's `error` may
 * have any shape.
 */
function errorIn(text: string): { readonly [field in keyof Refusal]?: unknown } {
  try {
    return Object((JSON.parse(text) as { error?: unknown } | null)?.error)
  } catch {
    return {}
  }
}

/** Calls a user's function. Its exception becomes an uncaught error and has no other effect. */
export function tell(run: () => unknown): void {
  try {
    run()
  } catch (error) {
    throwLater(error)
  }
}

/** Throws `error` outside the current call stack, as an uncaught error. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
