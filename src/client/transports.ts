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
   * In order of preference; the next one is tried when no gateway answers over the one before. All three unless given; where the
   * platform has no WebSocket (Node before 22) that one is passed over.
   */
  readonly transports?: readonly TransportName[]
  /** Of the WebSocket's frames; JSON unless given. */
  readonly codec?: Codec
}

/** Throws `bad_request` where there is none, or one that is unknown. */
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
