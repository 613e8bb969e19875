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
  /** `host:port` of one or more brokers; the others are learned from them. */
  readonly brokers: readonly string[]
  /** How Carillon calls itself in the brokers' logs, quotas and metrics. */
  readonly clientId: string
  /** How long a connection may take, handshake and authentication included, ms. */
  readonly connectTimeoutMs: number
  /** How long an answer to a short question (metadata, offsets) may take, ms; then the connection is given up. */
  readonly requestTimeoutMs: number

  /** How long the broker holds a fetch when there is nothing to read, ms. */
  readonly fetchWaitMs: number
  /** What a fetch may take beyond `fetchWaitMs` before its broker counts as frozen, ms. */
  readonly fetchGraceMs: number
  /** What one fetch takes of one partition, bytes as stored; a larger batch still comes whole. */
  readonly fetchPartitionBytes: number
  /** What one fetch takes in all, bytes as stored. */
  readonly fetchBytes: number
  /** A pause before the next fetch while records stream in, ms: see `Pace`. */
  readonly busyPauseMs: number
  /** What a batch may decompress to, bytes; a larger one is skipped as `unsupported`. */
  readonly maxBatchBytes: number
  /** For how long a tail decodes before it lets the event loop turn, ms; rounded up to whole batches. */
  readonly turnMs: number

  /** How often a tail looks for new leaders, partitions and incarnations, ms; ± a fifth. */
  readonly metadataRefreshMs: number
  /** The first and the longest pause between retries, ms; doubled from one to the other. */
  readonly retryMs: number
  readonly maxRetryMs: number
  /** For how long a partition may fail before its tail says `away`, ms: a leader's move is no outage. */
  readonly awayAfterMs: number
  /** How long describe, offsets and range go on retrying, ms. */
  readonly askTimeoutMs: number

  /** How long a publish goes on retrying, ms. */
  readonly publishTimeoutMs: number
  /** How long one attempt of it waits for the broker, ms. */
  readonly publishAttemptMs: number
  /** What one produce request carries, bytes of keys, values and headers; a larger record has a request of its own. */
  readonly publishBatchBytes: number
  /** Records that wait for their broker, bytes; beyond that a publish is refused as `overloaded`. */
  readonly maxQueuedBytes: number

  /** How long a broker that refused our credentials is left alone while they are the same, ms: accounts get locked. */
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

/** As a connection would find it: the files are read again then. */
function securityProblems(options: SecurityOptions): Problem[] {
  try {
    readSecurity(options)
    return []
  } catch (error) {
    if (!(error instanceof SecurityError)) throw error
    return [{ path: error.option, message: error.problem }]
  }
}
