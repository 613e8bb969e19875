import { CarillonError, lasting } from '../base/errors.ts'
import type { Refusal } from './connection.ts'

/** A refusal by its code; what this version does not know is taken for temporary. */
export function refusal(code: string, message: string, retryAfterMs: number): Refusal {
  return { code, message, retryAfterMs, final: (lasting as readonly string[]).includes(code) }
}

/** What a caller of the SDK is thrown: a gateway's refusal as an error. */
export class RefusedError extends Error {
  /** As `Reason.code`. */
  readonly code: string
  /** How long to wait before trying again, ms; 0 = the caller's own choice. */
  readonly retryAfterMs: number

  constructor(code: string, message: string, options: { retryAfterMs?: number; cause?: unknown } = {}) {
    super(message, options)
    this.name = 'RefusedError'
    this.code = code
    this.retryAfterMs = options.retryAfterMs ?? 0
  }
}

export const refusedError = ({ code, message, retryAfterMs }: Refusal): RefusedError =>
  new RefusedError(code, message, { retryAfterMs })

/** What came from the gateway and could not be read; undefined for any other failure: the connection was lost. */
export function unreadable(error: unknown): Refusal | undefined {
  return error instanceof CarillonError ? refusal(error.code, error.message, 0) : undefined
}

/** Whatever was thrown. */
export function failure(error: unknown): Refusal {
  return unreadable(error) ?? refusal('internal', String(error), 0)
}

/** An HTTP answer that no gateway gave: a proxy's. */
export function isProxys({ code }: Refusal): boolean {
  return code.startsWith('http_') && code !== 'http_204'
}

/** The refusal in an HTTP answer that is not 200. */
export async function refusalOf(response: Response): Promise<Refusal> {
  const { status } = response
  const text = await response.text().catch(() => '')
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string; retryAfterMs?: number } }
    return refusal(error.code, error.message, error.retryAfterMs ?? 0)
  } catch {
    // 204 says stop; all else is a proxy's answer, not a gateway's.
    const final = status === 204 || (status >= 400 && status < 500 && status !== 408 && status !== 429)
    const message = status === 204 ? 'the gateway says that there is no more' : text.slice(0, 200)
    return { code: `http_${status}`, message, retryAfterMs: 0, final }
  }
}

/** Where nobody catches it. */
export function throwLater(error: unknown): void {
  queueMicrotask(() => {
    throw error
  })
}
