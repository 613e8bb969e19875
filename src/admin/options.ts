import { parseListen } from '../base/listen-address.ts'
import { setting, text } from '../base/setting.ts'

export interface AdminOptions {
  /** Address to listen on: a name or an IP address without brackets. */
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** Connections at once; further ones are closed. */
  readonly maxConnections: number
  /** A request's line and headers. */
  readonly maxHeaderBytes: number
  /** A request must be complete this long after its first byte, ms. */
  readonly requestMs: number
  /** A kept connection is closed when no request comes for this long, ms. */
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
