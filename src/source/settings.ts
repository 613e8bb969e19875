/**
 * How a stream is set up on its broker, as the broker itself says it: what `carillon doctor` judges. Nothing that serves clients
 * depends on it. What a stream's partitions have differently is given as the weakest of them.
 */
export type StreamSettings = KafkaSettings | NatsSettings

export interface KafkaSettings {
  readonly kind: 'kafka'
  /** Brokers of the cluster that are there now. */
  readonly brokers: number
  /** Copies of the partition that has fewest. */
  readonly replicas: number
  /** Copies in sync of the partition that has fewest of them. */
  readonly inSync: number
  /** Partitions without a leader now. */
  readonly leaderless: number
  /** Partitions in which an open transaction held readers back while they were looked at. */
  readonly blocked: readonly BlockedPartition[]
  /** The topic's configuration in Kafka's own names, defaults included. */
  readonly configs: ReadonlyMap<string, string>
}

export interface BlockedPartition {
  readonly partition: number
  /** Where readers are held, and how many offsets there are behind it. */
  readonly from: number
  readonly offsets: number
}

export interface NatsSettings {
  readonly kind: 'nats'
  /** One JetStream stream as it is, or one a partition. */
  readonly layout: 'family' | 'single'
  /** Of the server that was asked. */
  readonly version: string
  /** Whether that server is one of a cluster. */
  readonly clustered: boolean
  readonly replicas: number
  /** Copies that are up to date, the leader's included, of the partition that has fewest. */
  readonly current: number
  readonly storage: 'file' | 'memory'
  /** undefined = no limit, for each of these. */
  readonly maxAgeMs: number | undefined
  readonly maxBytes: number | undefined
  readonly maxRecords: number | undefined
  readonly maxRecordsPerSubject: number | undefined
  readonly maxRecordBytes: number | undefined
  /** Consumers of one partition, of gateways and of others. */
  readonly maxConsumers: number | undefined
  /** Why the server refuses a gateway's consumer, of the first partition that has none for it; undefined = it does not. */
  readonly consumerProblem: string | undefined
  /** `new`: what is full refuses records instead of dropping the oldest. */
  readonly discard: 'old' | 'new'
  /** The server's clock less ours, ms, as far as one round trip shows it; the truth is within `clockErrorMs` of it. */
  readonly clockOffsetMs: number | undefined
  readonly clockErrorMs: number
}
