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

/** What came from the gateway and could not be read; undefined for any other failure: the connection was lost. */
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

/** The refusal in an HTTP answer that is not 200. */
export async function refusalOf(response: Response): Promise<Refusal> {
  const { status } = response
  // 204 says stop; all else is a proxy's answer, not a gateway's.
  const final = status === 204 || (status >= 400 && status < 500 && status !== 408 && status !== 429)
  const byStatus = final ? 'no' : 'later'
  const text = await response.text().catch(() => '')
  try {
    const { code, message, retry = byStatus, retryAfterMs = 0 } = (JSON.parse(text) as { error: Refusal }).error
    return { code, message, retry, retryAfterMs }
  } catch {
    const message = status === 204 ? 'the gateway says that there is no more' : text.slice(0, 200)
    return { code: `http_${status}`, message, retry: byStatus, retryAfterMs: 0 }
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
