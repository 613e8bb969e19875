import { systemTiming, type Timing } from '../base/clock.ts'
import { Unreachable } from './exit.ts'

/** No complete answer arrived in time. Unlike after a refused connection, a server may be there. */
export class Late extends Unreachable {}

/** Maximum time for an answer. */
export interface Patience {
  readonly ms: number
  readonly timing: Pick<Timing, 'after'>
}

/** Above the 10 s that a gateway may wait for the broker's acknowledgement of published events. */
const patience: Patience = { ms: 30_000, timing: systemTiming }

/**
 * Makes a request to `who` and returns the answer with its complete body, so that the caller reads
 * it without waiting. `request` must end when its signal is aborted. Throws what `request` throws,
 * and Late if the answer is not complete in time.
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
    throw new Late(`expected a complete answer from ${who} within ${ms / 1000} s: does it hang?`)
  } finally {
    cancel()
  }
}
