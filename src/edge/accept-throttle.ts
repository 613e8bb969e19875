import type { LoopClock } from '../base/clock.ts'
import type { Connection } from './listener.ts'

/**
 * Number of new connections read from in each turn of the event loop. A WebSocket handshake takes
 * some 50 µs, a TLS handshake several times that.
 */
export const acceptsPerTurn = { plain: 16, tls: 4 }

interface Waiting {
  /** Undefined once it has closed, because uWS then reuses its memory. */
  connection: Connection | undefined
}

/**
 * Admits new connections in order of arrival, a few in each turn of the event loop (connection
 * floods). libuv hands over what tens of thousands of sockets sent before anything else has its
 * turn, and a handshake can't be deferred once it is read. When a herd reconnects, every live
 * event would wait for all of them. `maxHttpConnections` bounds the waiting connections. uWS
 * bounds their wait: it closes a connection that has not sent a request 10 to 12 s after it was
 * accepted.
 */
export class AcceptThrottle {
  readonly #clock: Pick<LoopClock, 'turn'>
  readonly #perTurn: number
  #queue: Waiting[] = []
  #at = 0
  /** Number of connections that may still be read from in this turn. */
  #left: number
  #scheduled = false
  readonly #turn = (): void => this.#runTurn()

  constructor(clock: Pick<LoopClock, 'turn'>, perTurn: number = acceptsPerTurn.plain) {
    this.#clock = clock
    this.#perTurn = perTurn
    this.#left = perTurn
  }

  /** Adds a connection that was just accepted and has not been read from. */
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
    // Connections that were admitted now are read from before the next turn.
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
