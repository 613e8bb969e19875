import { Connection, Refused } from './connection.js'
import { pollOnce } from './long-poll.js'
import { learnStream } from './token.js'

/**
 * `GET /v1/sse` by the browser's own EventSource, which resumes by itself with the last id that it
 * has seen.
 */
export class EventSourceConnection extends Connection {
  static title = 'EventSource'
  static endpoint = '/v1/sse'
  #source
  /** All missed events have arrived. Positions continue to arrive, once a second. */
  #live = false

  open() {
    const query = new URLSearchParams({ subject: this.subject })
    for (const after of this.after) query.append('after', after)
    const source = new EventSource(`v1/sse?${query}`)
    this.#source = source
    this.#live = false
    source.addEventListener('after', (block) => {
      this.#passed(block)
      this.connected(this.#live)
    })
    source.addEventListener('live', () => {
      this.#live = true
      this.connected()
    })
    source.addEventListener('gap', (block) => {
      const gap = JSON.parse(block.data)
      this.gap(`${gap.stream}/${gap.partition}`, gap)
      this.#passed(block)
    })
    source.onmessage = (block) => {
      const delivery = JSON.parse(block.data)
      if (block.lastEventId !== '') learnStream(block.lastEventId, delivery.stream)
      this.deliver(`${delivery.stream}/${delivery.partition}`, delivery)
      this.#passed(block)
    }
    source.onerror = (event) => this.#broken(source, event)
  }

  shut() {
    this.#source?.close()
    this.#source = undefined
  }

  #passed({ lastEventId }) {
    if (lastEventId !== '') this.moved(lastEventId)
  }

  /**
   * The gateway's own `error` block, which has data, or EventSource's report of a lost connection.
   */
  #broken(source, { data }) {
    if (source !== this.#source) return
    this.#live = false
    if (source.readyState === EventSource.CLOSED) void this.#askWhy(source)
    else this.interrupted(new Error(data === undefined ? 'closed' : JSON.parse(data).message))
  }

  /**
   * EventSource does not show the status of a refusal, so a poll of the same subscription fetches
   * it.
   */
  async #askWhy(source) {
    let reason = new Error('refused')
    try {
      await pollOnce(this.subject, this.after, { wait: 0 })
    } catch (error) {
      reason = error instanceof Refused ? error : reason
    }
    if (source === this.#source) this.failed(reason)
  }
}
