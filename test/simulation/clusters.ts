import type { SimBroker } from './broker.ts'
import { clusterOf } from './many-streams.ts'
import type { SimulatedCluster, SourceKind } from './simulated-source.ts'
import { SimSource } from './source.ts'
import type { VirtualTime } from './virtual-time.ts'
import { KafkaCluster } from './wire/kafka-cluster.ts'

/** What one stream of a cluster is built on. */
export interface ClusterSurroundings {
  readonly time: VirtualTime
  readonly broker: SimBroker
  readonly seed: number
}

const makers: Readonly<Record<SourceKind, (surroundings: ClusterSurroundings) => SimulatedCluster>> = {
  model: ({ time, broker }) => ({
    open: (process, random, batch) => new SimSource(time, process, broker, random, batch),
  }),
  kafka: ({ time, broker, seed }) => new KafkaCluster(time, broker, seed),
}

/** The cluster that all gateways of a history read. */
export function makeCluster(kind: SourceKind, streams: readonly ClusterSurroundings[]): SimulatedCluster {
  return clusterOf(new Map(streams.map((surroundings) => [surroundings.broker.name, makers[kind](surroundings)])))
}
