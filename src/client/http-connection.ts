import type { Timing } from '../base/clock.ts'
import type { Connection, Handlers, Refusal } from './connection.ts'
import { lost, unreadable } from './refusal.ts'
import { Silence, silent } from './silence.ts'

/**
 * Sends the requests of a connection, one at a time. Resolves with the reason of its end.
 * `isOver`: no more callbacks. `signal`: a new one for each request, since fetch releases a signal
 * only at garbage collection.
 */
type Run = (silence: Silence, isOver: () => boolean, signal: () => AbortSignal) => Promise<Refusal>

/** Opens a connection over HTTP requests. It reports its end once, unless it was closed. */
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
