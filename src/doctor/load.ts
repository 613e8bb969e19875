/** What the gateway on this host is to carry, and what it takes by its configuration. */
export interface HostLoad {
  /** Connections at once. */
  readonly clients: number
  /** Windows, when they are full, and chunks read back, bytes. */
  readonly windowBytes: number
  /** How `windowBytes` came about: `512 MiB payloads + 512 MiB index + 64 MiB read back`. */
  readonly windowSum: string
}

export const loadDefaults = { clients: 10_000 } as const
