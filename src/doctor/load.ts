import type { GatewayWindows } from '../capacity/windows.ts'

/** What the gateway on this host is to carry, and what it takes by its configuration. */
export interface HostLoad {
  /** Connections at once. */
  readonly clients: number
  /** When they are full. */
  readonly windows: GatewayWindows
  /** Its limits of sessions. */
  readonly limits: {
    readonly maxSessions: number
    readonly maxTotalSubscriptions: number
    readonly maxTotalSessionMiB: number
  }
}

export const loadDefaults = { clients: 10_000 } as const
