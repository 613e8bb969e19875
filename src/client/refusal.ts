import { type ErrorCode, errors } from '../base/errors.ts'
import type { Refusal } from './connection.ts'

/** A refusal by its code; what this version does not know is taken for temporary. */
export function refusal(code: string, message: string, retryAfterMs: number): Refusal {
  const known = Object.hasOwn(errors, code) ? errors[code as ErrorCode] : undefined
  return { code, message, retryAfterMs, final: known?.retry === 'no' }
}

/** The refusal in an HTTP answer that is not 200. */
export async function refusalOf(response: Response): Promise<Refusal> {
  const text = await response.text().catch(() => '')
  try {
    const { error } = JSON.parse(text) as { error: { code: string; message: string; retryAfterMs?: number } }
    return refusal(error.code, error.message, error.retryAfterMs ?? 0)
  } catch {
    // A proxy's answer, not ours.
    const final = response.status >= 400 && response.status < 500 && response.status !== 408 && response.status !== 429
    return { code: `http_${response.status}`, message: text.slice(0, 200), retryAfterMs: 0, final }
  }
}
