import type { Clock } from '../base/clock.ts'
import { parseListen } from '../base/listen-address.ts'
import { type Edge, startEdge } from '../edge/edge.ts'
import type { LocalAccess } from '../edge/local.ts'
import { edgeDefaults } from '../edge/options.ts'
import { allowAll } from '../identity/grant.ts'
import { MeasuredPublisher } from '../publish/measured-publisher.ts'
import { Publisher } from '../publish/publisher.ts'
import type { Serving } from '../serving/serving.ts'
import { localSocket } from '../source/open.ts'
import type { Source } from '../source/source.ts'
import type { PublishTraces } from '../telemetry/publish-traces.ts'
import { descriptorsForClients } from './open-files.ts'
import type { Shared } from './surroundings.ts'

/** The parts that the edge serves and publishes from. */
interface Behind {
  readonly source: Source
  readonly serving: Serving
  /** undefined = traces are off. */
  readonly traces: PublishTraces | undefined
}

/** Opens the listener for clients; rejects with `listen_failed`. */
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
      whenKnown: (known) => whenKnown(() => behind.serving.feeds.known, clock, known),
    },
    localAccess(shared, behind.serving),
  )
}

/**
 * Returns the access for commands on this host that write to an embedded log: only this process
 * has the log open.
 */
function localAccess({ config }: Shared, serving: Serving): LocalAccess | undefined {
  const socket = localSocket(config.broker)
  if (socket === undefined) return undefined
  const streams = () =>
    serving.status().map(({ name, topic, partitions, incarnation }) => {
      return { name, topic, partitions: partitions.length || undefined, incarnation }
    })
  return { socket, streams }
}

/**
 * A stream that its broker does not report within this time is refused: the client can try
 * another gateway.
 */
const knownWithinMs = 5000
const lookEveryMs = 20

/**
 * Calls `known` once the streams are known, or after `knownWithinMs`. Until then clients that
 * come back to a starting gateway wait, instead of being refused. Returns a function that cancels
 * the wait.
 */
function whenKnown(isKnown: () => boolean, clock: Clock, known: () => void): () => void {
  const deadlineMs = clock.monotonicMs() + knownWithinMs
  let cancel = () => {}
  const look = (): void => {
    if (isKnown() || clock.monotonicMs() >= deadlineMs) known()
    else cancel = clock.after(lookEveryMs, look)
  }
  look()
  return () => cancel()
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
