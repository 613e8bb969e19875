import { refusalOf } from '../client/refusal.ts'
import type { Reason } from '../client/state.ts'
import { reach } from './gateway-url.ts'

/** An answer that takes longer says nothing of a refusal, ms. */
const withinMs = 5000

/**
 * Why a gateway, or a proxy before it, refuses a subscriber now: no WebSocket shows the answer to its handshake, so the same is asked for by a poll.
 * undefined where it would be served, or nobody answers.
 */
export async function refusalNow(gateway: string, subject: string): Promise<Reason | undefined> {
  try {
    const query = new URLSearchParams({ subject, wait: '0' })
    const response = await reach(`${gateway}/v1/poll?${query}`, { signal: AbortSignal.timeout(withinMs) })
    if (response.ok) return undefined
    const { code, message } = await refusalOf(response)
    return { code, message }
  } catch {
    return undefined
  }
}
