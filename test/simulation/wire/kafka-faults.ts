import type { SimBroker } from '../broker.ts'
import type { KafkaNode } from './kafka-node.ts'

/** The operations of faults on a cluster. */
export interface FaultyCluster {
  readonly broker: SimBroker
  readonly nodes: readonly KafkaNode[]
  readonly nowMs: number
  /** Number of chunk reads that retention still follows immediately. */
  sweeps: number
  partitionAt(x: number): number
  leaderOf(partition: number): KafkaNode | undefined
  /** Moves the partition to another leader. */
  move(partition: number): void
  /** Moves all partitions that the node leads to others. */
  moveFrom(node: KafkaNode): void
  /** Limits the high watermark of the partition's leader for `ms`. */
  lag(partition: number, high: number, ms: number): void
  /** Lets the node receive news from the controller again. */
  hear(node: KafkaNode): void
  revive(node: KafkaNode): void
  breakConnections(node: KafkaNode): void
  after(ms: number, task: () => void): () => void
}

/** Applies a fault, with parameters from two numbers in [0, 1). Returns a description. */
type Fault = (cluster: FaultyCluster, y: number, z: number) => string

const nodeAt = ({ nodes }: FaultyCluster, y: number): KafkaNode => nodes[Math.floor(y * nodes.length)]!

/** Transient errors of a leader: its disk, its replicas, the broker itself. */
const passing = [56, 9, 6, -1, 3, 5] as const

/** Faults that need a cluster of several Kafka brokers. */
export const faults: readonly Fault[] = [
  function moves(cluster, y) {
    const partition = cluster.partitionAt(y)
    cluster.move(partition)
    return `partition ${partition} has another leader, node ${cluster.leaderOf(partition)?.id}`
  },

  function movesAndLags(cluster, y, z) {
    const partition = cluster.partitionAt(y)
    const { end, first } = cluster.broker.log(partition) ?? { end: 0, first: 0 }
    const high = Math.max(first, end - 1 - Math.floor(z * 8))
    cluster.move(partition)
    cluster.lag(partition, high, 100 + z * 3000)
    return `partition ${partition} has another leader, with a high watermark of ${high} for a while`
  },

  function goesDown(cluster, y, z) {
    const node = nodeAt(cluster, y)
    if (node.state !== 'up') return `node ${node.id} is down anyway`
    node.state = 'down'
    cluster.breakConnections(node)
    cluster.after(100 + z * 1500, () => node.state === 'down' && cluster.moveFrom(node))
    cluster.after(500 + z * 6000, () => {
      if (node.state !== 'down') return
      cluster.revive(node)
      cluster.hear(node)
    })
    return `node ${node.id} is down`
  },

  function freezes(cluster, y, z) {
    const node = nodeAt(cluster, y)
    if (node.state !== 'up') return `node ${node.id} is down anyway`
    node.state = 'frozen'
    cluster.after(300 + z * 2000, () => node.state === 'frozen' && cluster.moveFrom(node))
    cluster.after(200 + z * 7000, () => {
      if (node.state !== 'frozen') return
      cluster.revive(node)
      cluster.after(y * 400, () => cluster.hear(node))
    })
    return `node ${node.id} is frozen`
  },

  function isCutOff(cluster, y, z) {
    const node = nodeAt(cluster, y)
    node.deaf = true
    cluster.moveFrom(node)
    cluster.after(500 + z * 6000, () => cluster.hear(node))
    return `the controller does not reach node ${node.id}, and others lead its partitions`
  },

  function isSlow(cluster, y, z) {
    const node = nodeAt(cluster, y)
    node.slowMs = 100 + z * 1500
    cluster.after(1000 + y * 4000, () => {
      node.slowMs = 0
    })
    return `node ${node.id} answers after up to ${node.slowMs.toFixed(0)} ms`
  },

  function throttles(cluster, y, z) {
    const node = nodeAt(cluster, y)
    node.throttleMs = Math.ceil(30 + z * 2500)
    node.throttledUntilMs = cluster.nowMs + 200 + y * 4000
    node.throttlesAll = y < 0.3
    return `node ${node.id} throttles ${node.throttlesAll ? 'all requests' : 'fetches'} by ${node.throttleMs} ms`
  },

  function fails(cluster, y, z) {
    const partition = cluster.partitionAt(y)
    const node = cluster.leaderOf(partition)
    const error = passing[Math.floor(z * passing.length)]!
    if (node !== undefined) node.failing = { partition, error, untilMs: cluster.nowMs + 100 + y * 3000 }
    return `node ${node?.id} answers for partition ${partition} with error ${error}`
  },

  function sweeps(cluster, y) {
    cluster.sweeps = 1 + Math.floor(y * 3)
    return `retention follows the next ${cluster.sweeps} chunk reads`
  },
]
