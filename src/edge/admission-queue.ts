import type { CarillonError } from '../base/errors.ts'
import { LimitReached } from '../base/limits.ts'
import { retryLaterMs } from '../base/retry-later.ts'
import type { Pump, Runnable } from '../session/pump.ts'
import type { EdgeContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import { refuse, type Turns } from './router.ts'

/**
 * `connections`: the bound on the bytes of all waiting frames, as a multiple of what one
 * connection may have waiting. `fewBytes`: connections with at most this many bytes are sent away
 * last. `frameBytes`: overhead that each frame counts for.
 */
export const admissionLimits = { connections: 32, fewBytes: 64 << 10, frameBytes: 256 }

/** A connection whose frames wait to be handled. */
export interface QueuedConnection extends Runnable {
  /** Bytes of its waiting frames. */
  waitingBytes: number
  /** Ends the connection. */
  sendAway(error: CarillonError): void
}

/**
 * The doorway: admits sessions and frames in order of arrival, for half a millisecond at a time
 * before other events have their turn. uWS hands over in one go what a thousand sockets sent, and
 * when a herd reconnects, every live event would wait for all of it. `maxHttpConnections` bounds
 * the waiting requests. `maxWaitingFrameBytes` bounds the waiting frames of a connection, and
 * `admissionLimits` those of all connections, because uWS can't stop reading from a WebSocket.
 */
export class AdmissionQueue implements Turns {
  readonly #context: EdgeContext
  readonly #pump: Pump
  /** Maximum for the bytes of all waiting frames. */
  readonly #maxBytes: number
  #waitingBytes = 0
  /** Connections with more than `fewBytes` waiting. */
  readonly #large = new Set<QueuedConnection>()
  /** Items that arrived while the doorway is held, in order; undefined while it is open. */
  #held: Runnable[] | undefined = undefined

  constructor(context: EdgeContext, pump: Pump) {
    this.#context = context
    this.#pump = pump
    this.#maxBytes = admissionLimits.connections * context.options.maxWaitingFrameBytes
  }

  /** Admits nothing until `open` is called. What arrives waits within the same bounds. */
  hold(): void {
    this.#held ??= []
  }

  open(): void {
    const held = this.#held ?? []
    this.#held = undefined
    for (const item of held) {
      item.queued = false
      this.#pump.add(item)
    }
  }

  #add(item: Runnable): void {
    if (this.#held === undefined) this.#pump.add(item)
    else if (!item.queued) {
      item.queued = true
      this.#held.push(item)
    }
  }

  /**
   * Runs `enter` soon, unless the client has left by then. An error that it throws is the answer.
   */
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
    this.#add({ queued: false, run })
  }

  /** Runs the caller soon. */
  call(caller: QueuedConnection): void {
    this.#add(caller)
  }

  /**
   * Reserves bytes for a frame that waits. If the caller's own bound is reached, ends the caller;
   * if the bound of all is reached, ends the connections with the most bytes waiting. Returns
   * false if the caller was ended.
   */
  takes(caller: QueuedConnection, bytes: number): boolean {
    const { maxWaitingFrameBytes } = this.#context.options
    const before = caller.waitingBytes
    if (before > 0 && before + bytes > maxWaitingFrameBytes) {
      const expected = `expected at most ${maxWaitingFrameBytes} bytes of waiting frames on one connection, got more`
      this.#sendAway(caller, `${expected}: send fewer at a time`)
      return false
    }
    this.#count(caller, bytes)
    while (this.#waitingBytes > this.#maxBytes) {
      const most = this.#largest() ?? caller
      this.#sendAway(most, `more than ${this.#maxBytes} bytes of frames are waiting on this gateway`)
      if (most === caller) return false
    }
    return true
  }

  /** Releases bytes of the caller that no longer wait. */
  taken(caller: QueuedConnection, bytes: number): void {
    this.#count(caller, -bytes)
  }

  #count(caller: QueuedConnection, bytes: number): void {
    this.#waitingBytes += bytes
    caller.waitingBytes += bytes
    if (caller.waitingBytes > admissionLimits.fewBytes) this.#large.add(caller)
    else this.#large.delete(caller)
  }

  #largest(): QueuedConnection | undefined {
    let largest: QueuedConnection | undefined
    for (const caller of this.#large) if (caller.waitingBytes > (largest?.waitingBytes ?? 0)) largest = caller
    return largest
  }

  /** Ends a connection and drops everything of it that waits. */
  #sendAway(caller: QueuedConnection, message: string): void {
    this.taken(caller, caller.waitingBytes)
    const retryAfterMs = retryLaterMs(this.#context.contracts.random)
    caller.sendAway(new LimitReached('maxWaitingFrameBytes', 'overloaded', message, { retryAfterMs }))
  }
}
