import type { Pump, Runnable } from '../session/pump.ts'
import type { EdgeContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import { refuse } from './router.ts'

/** Bytes of frames that may wait, of one connection and in all; beyond, they are taken in at once as they come. */
export const doorwayLimits = { callerBytes: 64 * 1024, bytes: 16 * 1024 * 1024 }

/** A connection whose frames wait for their turn, which is a frame each. */
export interface Caller extends Runnable {
  /** Bytes of the frames that wait. */
  waitingBytes: number
}

/**
 * Lets sessions and subscriptions in, in the order in which they came, for half a millisecond before other events have their turn: uWS hands
 * over what a thousand sockets sent in one go, and when a herd comes back every live event would wait for all of it. Requests that
 * wait are bounded by `maxHttpConnections`.
 */
export class Doorway {
  readonly #context: EdgeContext
  readonly #pump: Pump
  #waitingBytes = 0

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

  /** Whether a frame of so many bytes may wait; then the caller is run soon. */
  takes(caller: Caller, bytes: number): boolean {
    if (caller.waitingBytes + bytes > doorwayLimits.callerBytes) return false
    if (this.#waitingBytes + bytes > doorwayLimits.bytes) return false
    this.#waitingBytes += bytes
    caller.waitingBytes += bytes
    this.#pump.add(caller)
    return true
  }

  /** So many bytes of the caller's wait no more. */
  taken(caller: Caller, bytes: number): void {
    this.#waitingBytes -= bytes
    caller.waitingBytes -= bytes
  }
}
