import { clusterOf } from './many-streams.ts'
import type { ClusterSurroundings, SimulatedCluster, SourceKind } from './simulated-source.ts'
import { SimSource } from './source.ts'
import { JetStreamCluster } from './wire/jetstream-cluster.ts'
import { KafkaCluster } from './wire/kafka-cluster.ts'

const makers: Readonly<Record<SourceKind, (surroundings: ClusterSurroundings) => SimulatedCluster>> = {
  model: ({ time, broker }) => ({
    open: (process, random, batch) => new SimSource(time, process, broker, random, batch),
  }),
  jetstream: (surroundings) => new JetStreamCluster(surroundings),
  kafka: ({ time, broker, seed }) => new KafkaCluster(time, broker, seed),
}

/** The cluster that all gateways of a history read. */
export function makeCluster(kind: SourceKind, streams: readonly ClusterSurroundings[]): SimulatedCluster {
  return clusterOf(new Map(streams.map((surroundings) => [surroundings.broker.name, makers[kind](surroundings)])))
}
