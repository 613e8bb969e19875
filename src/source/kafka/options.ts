import { choice, onOff, optional, type Problem, section, setting, text, whole } from '../../base/setting.ts'
import {
  type KafkaSasl,
  type KafkaTls,
  readSecurity,
  SecurityError,
  type SecurityOptions,
  saslMechanisms,
} from './security.ts'

export interface KafkaOptions extends SecurityOptions {
  /** `host:port` of one or more brokers. Their metadata lists the others. */
  readonly brokers: readonly string[]
  /** Name of Carillon in the brokers' logs, quotas and metrics. */
  readonly clientId: string
  /** Time limit of a connection, including handshake and authentication, ms. */
  readonly connectTimeoutMs: number
  /**
   * Time limit of the answer to a short request (metadata, offsets), ms. After that the
   * connection is closed.
   */
  readonly requestTimeoutMs: number

  /** How long the broker holds a fetch while there is nothing to read, ms. */
  readonly fetchWaitMs: number
  /**
   * How much longer than `fetchWaitMs` a fetch may take before its broker counts as frozen, ms.
   */
  readonly fetchGraceMs: number
  /**
   * Limit of one fetch for one partition, bytes as stored. A larger batch is still returned
   * whole.
   */
  readonly fetchPartitionBytes: number
  /** Total limit of one fetch, bytes as stored. */
  readonly fetchBytes: number
  /** The pause before the next fetch while records stream in, ms: see `Pace`. */
  readonly busyPauseMs: number
  /**
   * Limit of the decompressed size of a batch, bytes. A larger one is skipped as `unsupported`.
   */
  readonly maxBatchBytes: number
  /**
   * How long a tail decodes before it yields to the event loop, ms. A tail finishes the current
   * step of a batch.
   */
  readonly turnMs: number

  /** How often a tail checks for new leaders, partitions and incarnations, ms; ± a fifth. */
  readonly metadataRefreshMs: number
  /** The first and the longest pause between retries, ms. The pause doubles with each retry. */
  readonly retryMs: number
  readonly maxRetryMs: number
  /**
   * How long a partition may fail before its tail reports `away`, ms: a change of leader is not
   * an outage.
   */
  readonly awayAfterMs: number
  /** How long describe, offsets and range retry, ms. */
  readonly askTimeoutMs: number

  /** How long a publish retries, ms. */
  readonly publishTimeoutMs: number
  /** How long one attempt to publish waits for the broker, ms. */
  readonly publishAttemptMs: number
  /**
   * Limit of one produce request, bytes of keys, values and headers. A larger record has its own
   * request.
   */
  readonly publishBatchBytes: number
  /**
   * Limit of the records that wait for their broker, bytes. Beyond it, a publish is refused as
   * `overloaded`.
   */
  readonly maxQueuedBytes: number

  /**
   * How long a broker that refused our credentials is not contacted while they are the same, ms.
   * This avoids locking the account.
   */
  readonly refusedMs: number
}

const tls = section<KafkaTls>('TLS to Kafka', {
  enabled: setting(onOff, false, 'connect with TLS'),
  caFile: optional(text('file'), "PEM file with the authorities that may have signed the brokers' certificates"),
  certFile: optional(text('file'), 'PEM file with the client certificate of this gateway and its chain'),
  keyFile: optional(text('file'), 'PEM file with the private key of that certificate'),
  serverName: optional(text('name', { least: 1 }), "name in the brokers' certificates, if it is not their host"),
})

const sasl = section<KafkaSasl>('authentication to Kafka', {
  mechanism: optional(choice('name', saslMechanisms), 'authentication mechanism'),
  username: optional(text('name', { least: 1 }), 'user name'),
  passwordFile: optional(text('file'), 'file that contains the password'),
})

export const kafkaSection = section(
  'the Kafka adapter',
  {
    clientId: setting(
      text('name', { least: 1 }),
      'carillon',
      "name of this gateway in the brokers' logs, and prefix of its client ids",
    ),
    fetchWaitMs: setting(whole(1, 30_000), 250, 'how long a broker may hold a fetch while there is nothing to return'),
    busyPauseMs: setting(whole(0, 1000), 3, 'pause between fetches under load'),
    requestTimeoutMs: setting(whole(100, 60_000), 1500, 'timeout of short requests'),
    connectTimeoutMs: setting(whole(100, 60_000), 2000, 'timeout of opening a connection'),
    tls,
    sasl,
  },
  securityProblems,
)

export const securityDefaults: SecurityOptions = { tls: tls.default, sasl: sasl.default }

export const kafkaDefaults: Omit<KafkaOptions, 'brokers'> = {
  ...kafkaSection.default,
  fetchGraceMs: 500,
  fetchPartitionBytes: 1 << 20,
  fetchBytes: 10 << 20,
  maxBatchBytes: 64 << 20,
  turnMs: 5,
  metadataRefreshMs: 3000,
  retryMs: 50,
  maxRetryMs: 1000,
  awayAfterMs: 1000,
  askTimeoutMs: 5000,
  publishTimeoutMs: 10_000,
  publishAttemptMs: 4000,
  publishBatchBytes: 256 << 10,
  maxQueuedBytes: 32 << 20,
  refusedMs: 5000,
}

/** Reads the files as a connection would. Connections read them again. */
function securityProblems(options: SecurityOptions): Problem[] {
  try {
    readSecurity(options)
    return []
  } catch (error) {
    if (!(error instanceof SecurityError)) throw error
    return [{ path: error.option, message: error.problem }]
  }
}
