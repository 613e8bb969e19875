import { type Outlet, type WriteOutcome, writeOutcome } from './outlet.ts'

/**
 * Control frames that wait for a full socket: the only thing that is queued for one client. They are written, in order, before
 * anything else.
 */
export class ControlQueue {
  readonly #outlet: Outlet
  readonly #maxFrames: number
  #frames: Uint8Array[] = []

  constructor(outlet: Outlet, maxFrames: number) {
    this.#outlet = outlet
    this.#maxFrames = maxFrames
  }

  /** False when the queue is at its bound: the frame was not taken. */
  push(frame: Uint8Array): boolean {
    if (this.#frames.length >= this.#maxFrames) return false
    this.#frames.push(frame)
    return true
  }

  /** A refused frame keeps its place at the front. */
  write(frame: Uint8Array): WriteOutcome {
    const outcome = this.#outlet.write(frame, false)
    if (outcome === writeOutcome.refused) this.#frames.unshift(frame)
    return outcome
  }

  /** Writes what waits, until the socket is full. True when nothing waits any more and the socket takes more. */
  flush(): boolean {
    for (let frame = this.#frames.shift(); frame !== undefined; frame = this.#frames.shift()) {
      if (this.write(frame) !== writeOutcome.sent) return false
    }
    return true
  }

  clear(): void {
    this.#frames = []
  }
}
