/**
 * Back-off between two attempts, ms: a random share of a bound that doubles from the first to the
 * second.
 */
const backoffMs = { first: 500, most: 10_000 }

/** A refusal that a retry of the same request can't change. */
export class Refused extends Error {}

/**
 * The common part of the three transports: one subscription, its position, and reconnecting. A
 * transport has `open()`, which connects at `this.after`, and `shut()`. It calls `moved` with the
 * position of each frame.
 *
 * `listener`: `state(state, detail)`, `position(token)`, `delivery(delivery, missed)`,
 * `duplicate()`, `gap(gap)`, `note(text)`. An event is `missed` if it arrives while the connection
 * is still catching up: its age is not a latency.
 */
export class Connection {
  #listener
  #attempt = 0
  #timer = 0
  #lost = false
  #told = { state: '', detail: '' }
  /** Next offset of each partition: a delivery below it is a duplicate. */
  #next = new Map()
  subject = ''
  /** Tokens or a keyword, in the form of the parameter `after`. */
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

  /** Continues from the position at which it was stopped. */
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

  /** The connection is open. `live`: all missed events have arrived. */
  connected(live = true) {
    this.#attempt = 0
    this.#tell(live ? 'live' : 'connecting', live ? '' : 'catching up')
    if (this.#lost) this.#listener.note(`resumed from ${shortened(this.after)}`)
    this.#lost = false
  }

  /** The connection is lost, and the transport reconnects by itself. */
  interrupted(error) {
    if (!this.running) return
    if (!this.#lost) this.#listener.note(`connection lost: ${error.message}`)
    this.#lost = true
    this.#tell('waiting', 'reconnecting')
  }

  /** The connection is lost or was refused: reconnects later, unless the refusal is final. */
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

  /** Keeps the position from which it would resume. */
  moved(token) {
    this.after = [token]
    this.#listener.position(token)
  }

  /** `key` names the partition. */
  deliver(key, delivery) {
    const next = this.#next.get(key) ?? 0
    if (delivery.offset < next) {
      this.#listener.duplicate()
      return
    }
    this.#next.set(key, delivery.offset + 1)
    this.#listener.delivery(delivery, this.#told.state !== 'live')
  }

  /** After a gap the log may start at lower offsets again. */
  gap(key, gap) {
    this.#next.delete(key)
    this.#listener.gap(gap)
  }

  /** Reports a state only if it has changed. */
  #tell(state, detail) {
    if (state === this.#told.state && detail === this.#told.detail) return
    this.#told = { state, detail }
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
