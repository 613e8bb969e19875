import { Connection, Refused } from './connection.js'
import { keyOf, positionsOf, streamOf } from './token.js'

/** How long the gateway may hold a request, ms. */
const waitMs = 25_000

/**
 * `GET /v1/poll`: each answer has the token for the next request; the gateway keeps nothing in
 * between.
 */
export class LongPollConnection extends Connection {
  static title = 'Long-poll'
  static endpoint = '/v1/poll'
  #abort

  open() {
    this.#abort = new AbortController()
    void this.#follow(this.#abort.signal)
  }

  shut() {
    this.#abort?.abort()
    this.#abort = undefined
  }

  async #follow(signal) {
    let how = { wait: 0 }
    try {
      while (!signal.aborted) {
        const { frames, after, live } = await pollOnce(this.subject, this.after, how, signal)
        if (signal.aborted) return
        if (how.wait === 0) this.connected(false)
        for (const frame of frames) this.#receive(frame)
        this.moved(after)
        if (live) this.connected()
        how = live ? { wait: waitMs } : { wait: waitMs, until: 'live' }
      }
    } catch (error) {
      if (!signal.aborted) this.failed(error, error.retryAfterMs)
    }
  }

  #receive({ delivery, gap, error }) {
    if (delivery) this.deliver(keyOf(positionsOf(delivery.after)[0]), { stream: streamOf(delivery.after), ...delivery })
    if (gap) this.gap(keyOf(positionsOf(gap.after)[0]), gap)
    if (error) throw new Error(error.message)
  }
}

/** Sends one request. Throws `Refused` if repeating it can't succeed. */
export async function pollOnce(subject, after, how, signal = null) {
  const query = new URLSearchParams({ subject, ...how })
  for (const each of after) query.append('after', each)
  const response = await fetch(`v1/poll?${query}`, { signal, cache: 'no-store' })
  const answer = await response.json()
  if (response.ok) return answer
  const { code, message, retryAfterMs } = answer.error
  if (response.status < 500) throw new Refused(`${code}: ${message}`)
  throw Object.assign(new Error(message), { retryAfterMs })
}
