import type { BackoffOptions } from './backoff.ts'
import type { NetworkOptions } from './network.ts'
import type { TransportName } from './transports.ts'

/**
 * The common options of the tabs that share a connection: their gateways and how they connect. Its
 * JSON names their lock and channel, so that tabs with other gateways or credentials share nothing
 * with them. A worker needs no other options.
 */
export type Group = readonly [
  sdk: 'carillon',
  tabs: string,
  /** In order of preference with `keepOrder`, else sorted. */
  urls: readonly string[],
  keepOrder: boolean | undefined,
  transports: readonly TransportName[] | undefined,
  headers: NetworkOptions['headers'],
  credentials: NetworkOptions['credentials'],
  backoff: BackoffOptions | undefined,
]
