import { parseListen } from '../base/listen-address.ts'
import { setting, text } from '../base/setting.ts'

export interface AdminOptions {
  /** Address to listen on: a name or an IP address without brackets. */
  readonly host: string
  /** 0 = any free port. */
  readonly port: number
  /** Connections at once; a further one takes the place of the one that has been silent for longest, of the address with the most. */
  readonly maxConnections: number
  /** A request's line and headers. */
  readonly maxHeaderBytes: number
  /** A request must be complete this long after its connection was opened, or its first byte came, ms. */
  readonly requestMs: number
  /** A connection is closed when nothing comes, and nothing of an answer is taken, for this long, ms. */
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
