import type { GatewayWindows } from '../capacity/windows.ts'

/** The intended load of the gateway on this host, and its configured memory and limits. */
export interface HostLoad {
  /** Simultaneous connections. */
  readonly clients: number
  /** Its windows, when full. */
  readonly windows: GatewayWindows
  /** Its session limits. */
  readonly limits: {
    readonly maxSessions: number
    readonly maxTotalSubscriptions: number
    readonly maxTotalSessionMiB: number
  }
}

export const loadDefaults = { clients: 10_000 } as const
