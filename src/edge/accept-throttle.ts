import type { LoopClock } from '../base/clock.ts'
import type { Connection } from './listener.ts'

/** So many are read from in each turn of the event loop: a WebSocket's handshake is some 50 µs, a TLS handshake several times that. */
export const acceptsPerTurn = { plain: 16, tls: 4 }

interface Waiting {
  /** Undefined once it has closed: its memory is no longer its own. */
  connection: Connection | undefined
}

/**
 * Lets new connections be read from in the order in which they came, a few in each turn of the event loop. libuv hands over what tens of
 * thousands of sockets sent before anything else has its turn, and handshakes can't be put off once they are read: when a herd comes
 * back every live event would wait for all of them. What waits is bounded by `maxHttpConnections`, and in time by uWS, which closes a
 * connection that has not sent a request 10 to 12 s after it was accepted.
 */
export class AcceptThrottle {
  readonly #clock: Pick<LoopClock, 'turn'>
  readonly #perTurn: number
  #queue: Waiting[] = []
  #at = 0
  /** How many more may be read from before the next turn. */
  #left: number
  #scheduled = false
  readonly #turn = (): void => this.#runTurn()

  constructor(clock: Pick<LoopClock, 'turn'>, perTurn: number = acceptsPerTurn.plain) {
    this.#clock = clock
    this.#perTurn = perTurn
    this.#left = perTurn
  }

  /** It has been accepted just now, and not been read from. */
  add(connection: Connection): void {
    this.#schedule()
    if (this.#left > 0) {
      this.#left--
      return
    }
    const waiting: Waiting = { connection }
    connection.onAborted(() => {
      waiting.connection = undefined
    })
    connection.pause()
    this.#queue.push(waiting)
  }

  #runTurn(): void {
    this.#scheduled = false
    this.#left = this.#perTurn
    while (this.#left > 0 && this.#at < this.#queue.length) {
      const { connection } = this.#queue[this.#at++]!
      if (connection === undefined) continue
      this.#left--
      connection.resume()
    }
    this.#compact()
    // What was let in is read before the turn after this one.
    if (this.#left < this.#perTurn) this.#schedule()
  }

  #compact(): void {
    if (this.#at < this.#queue.length && (this.#at < 1024 || this.#at * 2 < this.#queue.length)) return
    this.#queue = this.#queue.slice(this.#at)
    this.#at = 0
  }

  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    this.#clock.turn(this.#turn)
  }
}
