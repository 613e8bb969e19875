import { systemTiming } from '../base/clock.ts'
import { refusalOf } from '../client/refusal.ts'
import type { Reason } from '../client/state.ts'
import { reach } from './gateway-url.ts'

/** A later answer is not taken for the reason of the refusal. */
const patience = { ms: 5000, timing: systemTiming }

/**
 * Returns why a gateway, or a proxy in front of it, refuses a subscriber. A WebSocket does not
 * show the answer to its handshake, so this polls for the same subject. Returns undefined if the
 * poll succeeds or gets no answer.
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
