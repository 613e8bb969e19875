import type { Pump } from '../session/pump.ts'
import type { EdgeContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import { refuse } from './router.ts'

/**
 * Lets sessions in, in the order in which they knocked, for half a millisecond before other events have their turn: uWS hands over the requests
 * of a thousand sockets in one go, and when a herd comes back every live event would wait for all of them to be opened. What
 * waits is bounded by `maxHttpConnections`.
 */
export class Doorway {
  readonly #context: EdgeContext
  readonly #pump: Pump

  constructor(context: EdgeContext, pump: Pump) {
    this.#context = context
    this.#pump = pump
  }

  /** `enter` runs soon, unless the client has gone by then; what it throws is the answer. */
  admit(exchange: Exchange, enter: () => void): void {
    const run = (): boolean => {
      if (!exchange.open) return false
      try {
        enter()
      } catch (error) {
        refuse(this.#context, exchange, error)
      }
      return false
    }
    this.#pump.add({ queued: false, run })
  }
}
