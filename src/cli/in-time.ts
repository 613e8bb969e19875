import { systemTiming, type Timing } from '../base/clock.ts'
import { Unreachable } from './exit.ts'

/** There is somebody, who has not answered in full in time. */
export class Late extends Unreachable {}

/** How long an answer may take. */
export interface Patience {
  readonly ms: number
  readonly timing: Pick<Timing, 'after'>
}

/** A gateway has up to 10 s for the broker's acknowledgement of what it publishes. */
const patience: Patience = { ms: 30_000, timing: systemTiming }

/**
 * The whole answer to a request that ends when its signal is aborted, from `who`. Throws what `request` throws, and Late where the answer, or
 * the rest of it, takes too long. The caller can read it without waiting again.
 */
export async function inTime(
  who: string,
  request: (signal: AbortSignal) => Promise<Response>,
  { ms, timing }: Patience = patience,
): Promise<Response> {
  const late = new AbortController()
  const cancel = timing.after(ms, () => late.abort())
  try {
    const response = await request(late.signal)
    const body = await response.arrayBuffer()
    const { status, headers } = response
    return new Response(body.byteLength === 0 ? null : body, { status, headers })
  } catch (error) {
    if (!late.signal.aborted) throw error
    throw new Late(`expected an answer from ${who} within ${ms / 1000} s, and it did not come in full: does it hang?`)
  } finally {
    cancel()
  }
}
