import { systemTiming } from '../base/clock.ts'
import { refusalOf } from '../client/refusal.ts'
import type { Reason } from '../client/state.ts'
import { reach } from './gateway-url.ts'

/** An answer that takes longer says nothing of a refusal. */
const patience = { ms: 5000, timing: systemTiming }

/**
 * Why a gateway, or a proxy before it, refuses a subscriber now: no WebSocket shows the answer to its handshake, so the same is asked for by a poll.
 * undefined where it would be served, or nobody answers.
 */
export async function refusalNow(gateway: string, subject: string): Promise<Reason | undefined> {
  try {
    const query = new URLSearchParams({ subject, wait: '0' })
    const response = await reach(`${gateway}/v1/poll?${query}`, {}, patience)
    if (response.ok) return undefined
    const { code, message } = await refusalOf(response)
    return { code, message }
  } catch {
    return undefined
  }
}
