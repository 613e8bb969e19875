import { CarillonError } from '../base/errors.ts'
import { type Codec, jsonCodec } from './codec.ts'
import type { Transport } from './connection.ts'
import { type Ask, askOf, type NetworkOptions } from './network.ts'
import { openPoll } from './poll.ts'
import { openSse } from './sse.ts'
import { openWebSocket } from './websocket.ts'

export const transportNames = ['websocket', 'sse', 'poll'] as const
export type TransportName = (typeof transportNames)[number]

export interface TransportOptions extends NetworkOptions {
  /**
   * Transports in order of preference; default: all three. The next one is tried when no gateway
   * answers over the previous one. WebSocket is skipped on platforms without it (Node before 22).
   */
  readonly transports?: readonly TransportName[]
  /** Codec of the WebSocket's frames; default: JSON. */
  readonly codec?: Codec
}

/**
 * Returns the transports of the options. Throws `bad_request` if there are none, or unknown ones.
 */
export function transportsOf(options: TransportOptions, ask: Ask = askOf(options)): Transport[] {
  const { transports = transportNames, codec = jsonCodec } = options
  const all: Record<TransportName, Transport> = {
    websocket: { name: 'websocket', separate: true, open: openWebSocket(codec, options.WebSocket) },
    sse: { name: 'sse', separate: false, open: openSse(ask) },
    poll: { name: 'poll', separate: false, open: openPoll(ask) },
  }
  const hasWebSocket = typeof (options.WebSocket ?? globalThis.WebSocket) !== 'undefined'
  const here = transportNames.filter((name) => name !== 'websocket' || hasWebSocket)
  const found = transports.filter((name) => here.includes(name)).map((name) => all[name])
  if (found.length > 0 && transports.every((name) => name in all)) return found
  throw new CarillonError(
    'bad_request',
    `transports: expected some of ${here.join(', ')}, got ${transports.join(', ')}`,
  )
}
