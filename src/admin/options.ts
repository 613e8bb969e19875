import { parseListen } from '../base/listen-address.ts'
import { setting, text } from '../base/setting.ts'

export interface AdminOptions {
  /** Address to listen on: a name or an IP address without brackets. */
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /**
   * Maximum connections. A further one replaces the connection silent for longest, of the address
   * with the most connections.
   */
  readonly maxConnections: number
  /** Maximum size of a request's line and headers. */
  readonly maxHeaderBytes: number
  /**
   * Maximum time for a request to be complete, from the opening of its connection or from its
   * first byte, ms.
   */
  readonly requestMs: number
  /**
   * Idle timeout, ms: a connection is closed if nothing arrives and no part of a response is
   * taken for this long.
   */
  readonly keepAliveMs: number
}

export const adminSettings = {
  admin: setting(
    text('host:port', { check: parseListen }),
    '127.0.0.1:8081',
    'HOST:PORT for health, metrics and the admin API',
  ),
}

export const adminDefaults: AdminOptions = {
  ...parseListen(adminSettings.admin.default),
  maxConnections: 64,
  maxHeaderBytes: 8 * 1024,
  requestMs: 5000,
  keepAliveMs: 10_000,
}
