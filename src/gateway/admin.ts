import { adminDefaults } from '../admin/options.ts'
import { type Admin, openAdmin } from '../admin/server.ts'
import { parseListen } from '../base/listen-address.ts'
import type { Edge } from '../edge/edge.ts'
import type { Serving } from '../serving/serving.ts'
import type { Source } from '../source/source.ts'
import { families } from '../telemetry/families.ts'
import type { GatewayInstruments } from '../telemetry/instruments.ts'
import type { ProcessInstruments } from '../telemetry/process.ts'
import { metricsContentType, prometheusText } from '../telemetry/sdk.ts'
import type { QuotaPauses } from './quotas.ts'
import { type ListenerState, readiness } from './readiness.ts'
import { type Shared, version } from './surroundings.ts'

/** Parts that health, metrics and the admin API report on. */
interface Watched {
  readonly source: Source
  readonly serving: Serving
  readonly quotas: QuotaPauses
  readonly process: ProcessInstruments
  readonly isLeaving: () => boolean
  /** undefined until clients are admitted. */
  readonly edge: () => Pick<Edge, 'counters' | 'paused' | 'maxConnections'> | undefined
}

/** Opens the listener for operators; rejects with `listen_failed`. */
export function openAdminOf(shared: Shared, watched: Watched): Promise<Admin> {
  const { id, startedMs, config, clock, routing, instruments } = shared
  const { source, serving, quotas } = watched
  const { gateway } = instruments
  const text = prometheusText({ gateway: id, version }, () => collected(shared, watched), clock)
  return openAdmin(
    { ...adminDefaults, ...parseListen(config.admin) },
    {
      gateway: id,
      version,
      clock,
      readiness: () =>
        readiness({
          leaving: watched.isLeaving(),
          door: doorOf(watched.edge()),
          streams: serving.troubles(),
          pauses: quotas.now(),
        }),
      metrics: () => ({ contentType: metricsContentType, text: text() }),
      status: () => ({
        uptimeMs: Math.round(clock.monotonicMs() - startedMs),
        broker: source.name,
        sessions: gateway.sessions,
        subscriptions: gateway.subscriptions,
        streams: serving.status(),
        limits: gateway.refusals.rows(),
      }),
      refused: (limit, who) => gateway.refusals.count(limit, { who, atUs: clock.nowUs() }),
      rejected: () => ({ total: serving.rejected.total, records: serving.rejected.list() }),
      routes: () => routing.rows(),
    },
  )
}

function doorOf(edge: Pick<Edge, 'paused'> | undefined): ListenerState {
  if (edge === undefined) return 'not yet'
  return edge.paused ? 'no descriptors' : 'open'
}

function collected({ instruments }: Shared, watched: Watched) {
  const edge = watched.edge()
  if (edge !== undefined) observe(instruments.gateway, edge)
  return [...families(instruments), ...watched.process.families()]
}

function observe(
  gateway: GatewayInstruments,
  { counters, paused, maxConnections }: NonNullable<ReturnType<Watched['edge']>>,
): void {
  const { refused, httpConnections, websockets } = counters
  Object.assign(gateway.refused, refused)
  gateway.connections = { websocket: websockets, http: httpConnections }
  gateway.maxConnections = maxConnections
  gateway.accepting = paused ? 0 : 1
}
