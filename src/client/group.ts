import type { BackoffOptions } from './backoff.ts'
import type { NetworkOptions } from './network.ts'
import type { TransportName } from './transports.ts'

/**
 * What the tabs that share a connection have in common: which gateways they ask, and how. As JSON it is the name of their lock and channel, so
 * whoever asks others, or with other credentials, shares nothing with them; and it is all that a worker needs.
 */
export type Group = readonly [
  sdk: 'carillon',
  tabs: string,
  /** In order of preference where that is to be kept, else sorted. */
  urls: readonly string[],
  keepOrder: boolean | undefined,
  transports: readonly TransportName[] | undefined,
  headers: NetworkOptions['headers'],
  credentials: NetworkOptions['credentials'],
  backoff: BackoffOptions | undefined,
]
