import { CarillonError } from '../base/errors.ts'

/** What a nats-server's monitoring port tells of its JetStream. */
export interface NatsMonitor {
  /** How often it writes to disk what it has acknowledged, ms. */
  readonly syncIntervalMs: number | undefined
  /** Each record is on disk before it is acknowledged. */
  readonly syncAlways: boolean
}

const timeoutMs = 5000

/** Asks `URL/varz`. Rejects with `broker_unavailable` where nothing answers, or no nats-server does. */
export async function askMonitor(url: string): Promise<NatsMonitor> {
  const expected = `expected the monitoring port of a nats-server (http_port in its configuration) at ${url}`
  try {
    const response = await fetch(`${url}/varz`, { signal: AbortSignal.timeout(timeoutMs) })
    const { jetstream } = (await response.json()) as { jetstream?: { config?: JetStreamConfig } }
    if (jetstream === undefined) throw new Error('its answer has nothing about JetStream')
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
