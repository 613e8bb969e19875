/**
 * Setup of a stream on its broker, as the broker reports it: `carillon doctor` judges it. Nothing
 * that serves clients depends on it. A setting that differs between partitions is that of the
 * weakest one.
 */
export type StreamSettings = KafkaSettings | NatsSettings

export interface KafkaSettings {
  readonly kind: 'kafka'
  /** Brokers of the cluster that are up now. */
  readonly brokers: number
  /** Lowest number of replicas of any partition. */
  readonly replicas: number
  /** Lowest number of in-sync replicas of any partition. */
  readonly inSync: number
  /** Partitions without a leader now. */
  readonly leaderless: number
  /** Partitions in which an open transaction held readers back during the check. */
  readonly blocked: readonly BlockedPartition[]
  /** The topic's configuration in Kafka's own names, defaults included. */
  readonly configs: ReadonlyMap<string, string>
}

export interface BlockedPartition {
  readonly partition: number
  /** Offset at which readers are held, and number of offsets after it. */
  readonly from: number
  readonly offsets: number
}

export interface NatsSettings {
  readonly kind: 'nats'
  /** `single` = one JetStream stream as it is; `family` = one a partition. */
  readonly layout: 'family' | 'single'
  /** Version of the server that was asked. */
  readonly version: string
  /** Whether that server is one of a cluster. */
  readonly clustered: boolean
  readonly replicas: number
  /** Lowest number of up-to-date replicas of any partition, including the leader. */
  readonly current: number
  readonly storage: 'file' | 'memory'
  /** undefined = no limit, for this and the next four. */
  readonly maxAgeMs: number | undefined
  readonly maxBytes: number | undefined
  readonly maxRecords: number | undefined
  readonly maxRecordsPerSubject: number | undefined
  readonly maxRecordBytes: number | undefined
  /** Maximum consumers of one partition, of gateways and of others. */
  readonly maxConsumers: number | undefined
  /**
   * Reason why the server refuses a gateway's consumer, for the first partition without room for
   * one; undefined = it does not.
   */
  readonly consumerProblem: string | undefined
  /** `new`: a full stream refuses records instead of dropping the oldest. */
  readonly discard: 'old' | 'new'
  /**
   * The server's clock minus ours, ms, as measured by one round trip: accurate to ±
   * `clockErrorMs`.
   */
  readonly clockOffsetMs: number | undefined
  readonly clockErrorMs: number
}
