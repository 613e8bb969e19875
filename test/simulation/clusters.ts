import { EmbeddedCluster } from './embedded/cluster.ts'
import type { ClusterSurroundings, SimulatedCluster, SourceKind } from './simulated-source.ts'
import { SimSource } from './source.ts'
import { JetStreamCluster } from './wire/jetstream-cluster.ts'
import { KafkaCluster } from './wire/kafka-cluster.ts'

const makers: Readonly<Record<SourceKind, (surroundings: ClusterSurroundings) => SimulatedCluster>> = {
  model: ({ time, broker }) => ({
    open: (process, random, batch) => new SimSource(time, process, broker, { random, batch }),
  }),
  jetstream: (surroundings) => new JetStreamCluster(surroundings),
  kafka: (surroundings) => new KafkaCluster(surroundings.time, surroundings.broker, surroundings.seed, surroundings),
  embedded: (surroundings) => new EmbeddedCluster(surroundings),
}

/** Returns the cluster of one stream. */
export function makeCluster(kind: SourceKind, surroundings: ClusterSurroundings): SimulatedCluster {
  return makers[kind](surroundings)
}
