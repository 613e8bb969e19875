import type { CarillonError } from '../base/errors.ts'
import { LimitReached } from '../base/limits.ts'
import { retryLaterMs } from '../base/retry-later.ts'
import type { Pump, Runnable } from '../session/pump.ts'
import type { EdgeContext } from './context.ts'
import type { Exchange } from './exchange.ts'
import { refuse, type Turns } from './router.ts'

/**
 * Frames may wait in all that are so many times what one connection may have waiting; who has no more than a few bytes is sent away last;
 * and each frame counts for some bytes more than its own.
 */
export const admissionLimits = { connections: 32, fewBytes: 64 << 10, frameBytes: 256 }

/** A connection whose frames wait for their turn. */
export interface QueuedConnection extends Runnable {
  /** Bytes of the frames that wait. */
  waitingBytes: number
  /** Ends it. */
  sendAway(error: CarillonError): void
}

/**
 * Lets sessions and frames in, in the order in which they came, for half a millisecond before other events have their turn: uWS hands
 * over what a thousand sockets sent in one go, and when a herd comes back every live event would wait for all of it. Requests that
 * wait are bounded by `maxHttpConnections`, frames by `maxWaitingFrameBytes` for each connection and `admissionLimits` for all: uWS cannot stop reading from a
 * WebSocket.
 */
export class AdmissionQueue implements Turns {
  readonly #context: EdgeContext
  readonly #pump: Pump
  /** Bytes of frames that may wait in all. */
  readonly #maxBytes: number
  #waitingBytes = 0
  /** Those with more than a few bytes. */
  readonly #large = new Set<QueuedConnection>()
  /** What came while it is held, in order; undefined while it is open. */
  #held: Runnable[] | undefined = undefined

  constructor(context: EdgeContext, pump: Pump) {
    this.#context = context
    this.#pump = pump
    this.#maxBytes = admissionLimits.connections * context.options.maxWaitingFrameBytes
  }

  /** Nobody enters until it is opened: what comes waits, within the same bounds. */
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
    this.#add({ queued: false, run })
  }

  /** The caller is run soon. */
  call(caller: QueuedConnection): void {
    this.#add(caller)
  }

  /** A frame of so many bytes is to wait. Where there is no room its caller goes, or whoever has the most waiting. False where it has gone. */
  takes(caller: QueuedConnection, bytes: number): boolean {
    const { maxWaitingFrameBytes } = this.#context.options
    const before = caller.waitingBytes
    if (before > 0 && before + bytes > maxWaitingFrameBytes) {
      const said = `expected at most ${maxWaitingFrameBytes} bytes of frames that wait for their turn on one connection, got more`
      this.#sendAway(caller, `${said}: send fewer at a time`)
      return false
    }
    this.#count(caller, bytes)
    while (this.#waitingBytes > this.#maxBytes) {
      const most = this.#largest() ?? caller
      this.#sendAway(most, `more than ${this.#maxBytes} bytes of frames wait for their turn on this gateway`)
      if (most === caller) return false
    }
    return true
  }

  /** So many bytes of the caller's wait no more. */
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

  /** All that waits of it is given up. */
  #sendAway(caller: QueuedConnection, message: string): void {
    this.taken(caller, caller.waitingBytes)
    const retryAfterMs = retryLaterMs(this.#context.contracts.random)
    caller.sendAway(new LimitReached('maxWaitingFrameBytes', 'overloaded', message, { retryAfterMs }))
  }
}
