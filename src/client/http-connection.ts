import type { Timing } from '../base/clock.ts'
import type { Connection, Handlers, Refusal } from './connection.ts'
import { lost, unreadable } from './refusal.ts'
import { Silence, silent } from './silence.ts'

/**
 * Makes the requests of a connection, one at a time; resolves with why they have ended. `isOver`: nothing is told any more. `signal`: for the next
 * request, and no other, as fetch lets go of a signal only when the garbage collector says so.
 */
type Run = (silence: Silence, isOver: () => boolean, signal: () => AbortSignal) => Promise<Refusal>

/** A connection over HTTP requests. It ends once, and that is told unless it was closed. */
export function httpConnection(gateway: string, handlers: Handlers, clock: Timing, run: Run): Connection {
  let request = new AbortController()
  let over = false
  const close = () => {
    over = true
    silence.stop()
    request.abort()
  }
  const end = (refused: Refusal) => {
    if (over) return
    close()
    handlers.closed(refused)
  }
  const silence = new Silence(clock, () => end(lost(gateway, silent)))
  const signal = () => {
    request = new AbortController()
    return request.signal
  }
  run(silence, () => over, signal).then(end, (error: unknown) => end(unreadable(error) ?? lost(gateway, error)))
  return { close }
}
