/**
 * Bounds of the back-off between attempts, ms: a random share of a bound that doubles from `first`
 * to `most`.
 */
const backoffMs = { first: 500, most: 10_000 }

/** A failure that the same request would meet again, so that a retry is pointless. */
export class Refused extends Error {}

/**
 * Base class of the three transports: one subscription, its position, and reconnection. A
 * transport implements `open()`, which connects at `this.after`, and `shut()`. It calls `moved`
 * with the position of each frame.
 *
 * `listener`: `state(state, detail)`, `position(token)`, `delivery(delivery, missed)`,
 * `duplicate()`, `gap(gap)`, `note(text)`. An event is `missed` if it arrived while the connection
 * was still catching up: its age is not a latency.
 */
export class Connection {
  #listener
  #attempt = 0
  #timer = 0
  #lost = false
  #reported = { state: '', detail: '' }
  /** Next offset of each partition. An event below it is a duplicate. */
  #next = new Map()
  subject = ''
  /** Values of the `after` parameter: tokens or a keyword. */
  after = []
  running = false

  constructor(listener) {
    this.#listener = listener
  }

  /** Starts a new subscription. */
  start(subject, after) {
    this.stop()
    this.subject = subject
    this.after = [after]
    this.#next.clear()
    this.#lost = false
    this.#connect()
  }

  /** Continues at the position where it was stopped. */
  resume() {
    if (this.running) return
    this.#lost = true
    this.#connect()
  }

  stop() {
    this.running = false
    this.#attempt = 0
    clearTimeout(this.#timer)
    this.shut()
    this.#tell('disconnected', '')
  }

  /**
   * Notes that the connection is up; `live` if nothing older than the connection is still to come.
   */
  connected(live = true) {
    this.#attempt = 0
    this.#tell(live ? 'live' : 'connecting', live ? '' : 'catching up')
    if (this.#lost) this.#listener.note(`resumed from ${shortened(this.after)}`)
    this.#lost = false
  }

  /** Notes that the connection was lost and that the transport itself reconnects. */
  interrupted(error) {
    if (!this.running) return
    if (!this.#lost) this.#listener.note(`connection lost: ${error.message}`)
    this.#lost = true
    this.#tell('waiting', 'reconnecting')
  }

  /** Handles a lost or refused connection: retries later, unless a retry is pointless. */
  failed(error, retryAfterMs = 0) {
    if (!this.running) return
    this.shut()
    if (error instanceof Refused) {
      this.running = false
      this.#tell('refused', 'refused')
      this.#listener.note(error.message)
      return
    }
    this.interrupted(error)
    const bound = Math.min(backoffMs.most, backoffMs.first * 2 ** this.#attempt++)
    const waitMs = retryAfterMs + Math.random() * bound
    this.#tell('waiting', `reconnecting in ${(waitMs / 1000).toFixed(1)} s`)
    this.#timer = setTimeout(() => this.#connect(), waitMs)
  }

  /** Sets the position at which the subscription would resume. */
  moved(token) {
    this.after = [token]
    this.#listener.position(token)
  }

  /** Passes an event on, or counts it as a duplicate; `key` identifies the partition. */
  deliver(key, delivery) {
    const next = this.#next.get(key) ?? 0
    if (delivery.offset < next) {
      this.#listener.duplicate()
      return
    }
    this.#next.set(key, delivery.offset + 1)
    this.#listener.delivery(delivery, this.#reported.state !== 'live')
  }

  /** Passes a gap on. After it, the log may start again at lower offsets. */
  gap(key, gap) {
    this.#next.delete(key)
    this.#listener.gap(gap)
  }

  /** Reports the state if it has changed. */
  #tell(state, detail) {
    if (state === this.#reported.state && detail === this.#reported.detail) return
    this.#reported = { state, detail }
    this.#listener.state(state, detail)
  }

  #connect() {
    this.running = true
    this.#tell('connecting', 'connecting')
    this.open()
  }
}

function shortened(after) {
  return after.map((token) => (token.length > 24 ? `${token.slice(0, 24)}…` : token)).join(', ')
}
