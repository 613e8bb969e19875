import { CarillonError } from '../base/errors.ts'

/** A nats-server's report on its JetStream, from its monitoring port. */
export interface NatsMonitor {
  /** Interval at which it syncs acknowledged records to disk, ms. */
  readonly syncIntervalMs: number | undefined
  /** Whether each record is on disk before it is acknowledged. */
  readonly syncAlways: boolean
}

const timeoutMs = 5000

/**
 * Reads `URL/varz`. Rejects with `broker_unavailable` if nothing answers, or something other than
 * a nats-server.
 */
export async function askMonitor(url: string): Promise<NatsMonitor> {
  const expected = `expected the monitoring port of a nats-server (http_port in its configuration) at ${url}`
  try {
    const response = await fetch(`${url}/varz`, { signal: AbortSignal.timeout(timeoutMs) })
    const { jetstream } = (await response.json()) as { jetstream?: { config?: JetStreamConfig } }
    if (jetstream === undefined) throw new Error('its answer does not mention JetStream')
    return monitorOf(jetstream.config ?? {})
  } catch (error) {
    const cause = (error as Error).cause ?? error
    const got = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message
    throw new CarillonError('broker_unavailable', `${expected}, got none: ${got}`, { cause: error })
  }
}

interface JetStreamConfig {
  readonly sync_interval?: number
  readonly sync_always?: boolean
}

function monitorOf({ sync_interval, sync_always }: JetStreamConfig): NatsMonitor {
  const nsOfMs = 1e6
  return {
    syncIntervalMs: sync_interval === undefined ? undefined : sync_interval / nsOfMs,
    syncAlways: sync_always === true,
  }
}
