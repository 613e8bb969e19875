import { parseListen } from '../base/listen-address.ts'
import { type Edge, startEdge } from '../edge/edge.ts'
import { edgeDefaults } from '../edge/options.ts'
import { allowAll } from '../identity/grant.ts'
import { MeasuredPublisher } from '../publish/measured-publisher.ts'
import { Publisher } from '../publish/publisher.ts'
import type { Serving } from '../serving/serving.ts'
import type { Source } from '../source/source.ts'
import type { PublishTraces } from '../telemetry/publish-traces.ts'
import { descriptorsForClients } from './open-files.ts'
import type { Shared } from './surroundings.ts'

/** What clients are served and published for from. */
interface Behind {
  readonly source: Source
  readonly serving: Serving
  /** undefined = traces are off. */
  readonly traces: PublishTraces | undefined
}

/** The listener for clients; rejects with `listen_failed`. */
export function openEdge(shared: Shared, behind: Behind): Promise<Edge> {
  const { clock, random, logger } = shared
  const { listen, tlsCert, tlsKey, allowOrigin, dev, heartbeatMs, limits } = shared.config
  const own = { tlsCert, tlsKey, allowOrigin, dev, heartbeatMs }
  return startEdge(
    { ...edgeDefaults, ...limits, ...parseListen(listen), ...own },
    {
      sessions: behind.serving.sessions,
      publisher: makePublisher(shared, behind),
      identify: () => allowAll,
      clock,
      random,
      logger,
      descriptors: descriptorsForClients(),
      refusals: shared.instruments.gateway.refusals,
    },
  )
}

function makePublisher(shared: Shared, { source, serving, traces }: Behind): MeasuredPublisher {
  const { config, routing, instruments, clock } = shared
  const publisher = new Publisher({
    source,
    routing,
    stream: (name) => serving.feeds.requireInfo(name),
    format: (name) => config.streams[name]!,
    maxEventBytes: config.limits.maxEventBytes,
  })
  return new MeasuredPublisher(publisher, instruments.gateway, clock, traces)
}
