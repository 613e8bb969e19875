/** Back-off between two attempts, ms: a random share of a bound that doubles from the first to the second. */
const backoffMs = { first: 500, most: 10_000 }

/** A failure that the same request meets again: there is no point in trying it once more. */
export class Refused extends Error {}

/**
 * What the three transports share: one subscription, where it stands, and coming back after a loss. A transport has `open()`,
 * which connects at `this.after`, and `shut()`; it calls `moved` with the position of what it was given.
 *
 * `listener`: `state(state, detail)`, `position(token)`, `delivery(delivery, missed)`, `duplicate()`, `gap(gap)`, `note(text)`. An event is `missed`
 * where it came before all was told that is older than the connection: its age is no latency.
 */
export class Connection {
  #listener
  #attempt = 0
  #timer = 0
  #lost = false
  #told = { state: '', detail: '' }
  /** Next offset of each partition: what comes below it came before. */
  #next = new Map()
  subject = ''
  /** Tokens or a keyword, as `after` takes them. */
  after = []
  running = false

  constructor(listener) {
    this.#listener = listener
  }

  /** Subscribes afresh. */
  start(subject, after) {
    this.stop()
    this.subject = subject
    this.after = [after]
    this.#next.clear()
    this.#lost = false
    this.#connect()
  }

  /** Goes on where it was stopped. */
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

  /** The connection is up; `live` where the transport knows that nothing older is on its way. */
  connected(live = true) {
    this.#attempt = 0
    this.#tell(live ? 'live' : 'connecting', live ? '' : 'catching up')
    if (this.#lost) this.#listener.note(`resumed from ${shortened(this.after)}`)
    this.#lost = false
  }

  /** The connection is gone; the transport itself brings it back. */
  interrupted(error) {
    if (!this.running) return
    if (!this.#lost) this.#listener.note(`connection lost: ${error.message}`)
    this.#lost = true
    this.#tell('waiting', 'reconnecting')
  }

  /** The connection is gone or was refused: comes back later, unless that is of no use. */
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
    this.#tell('waiting', `again in ${(waitMs / 1000).toFixed(1)} s`)
    this.#timer = setTimeout(() => this.#connect(), waitMs)
  }

  /** From here it would go on. */
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

  /** Only what changed. */
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
