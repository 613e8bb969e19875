import { defaultsOf, optional, type Problem, section, setting, text, whole } from '../../base/setting.ts'

/**
 * TLS of a connection; files in PEM. `true` = the system's authorities, without a client
 * certificate.
 */
export interface NatsTls {
  /** Certificate authorities for the servers, instead of the system's. */
  readonly caFile?: string | undefined
  /** Client certificate and its key, for servers that require one. */
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

/**
 * Credentials for the servers, of at most one kind. Secrets are in files, which are read for each
 * connection.
 */
export interface NatsCredentials {
  /** With `passwordFile`. */
  readonly user?: string | undefined
  readonly passwordFile?: string | undefined
  readonly tokenFile?: string | undefined
  /** An NKey's seed (`SU…`). */
  readonly nkeyFile?: string | undefined
  /** A user's JWT and seed, in the format of `nsc generate creds`. */
  readonly credentialsFile?: string | undefined
}

export interface NatsOptions extends NatsCredentials {
  /**
   * `host:port` of one or more servers of the cluster. Each connection picks one at random, and
   * another if that fails.
   */
  readonly servers: readonly string[]
  /** Absent = encrypted if the server requires it, with the system's authorities. */
  readonly tls?: NatsTls | true | undefined
  /** Client name in the servers' monitoring. */
  readonly clientName: string
  /**
   * First tokens of the subjects for replies and records; the account must be allowed to subscribe
   * to them.
   */
  readonly inboxPrefix: string
  /** JetStream domain, for streams behind a leaf node. */
  readonly domain?: string | undefined

  /** Topics that are a single existing JetStream stream instead of a family. */
  readonly singleStreams: readonly string[]

  /** Replicas of streams that Carillon creates, 1 to 5. */
  readonly replicas: number
  /** Maximum age of records in streams that Carillon creates, ms. */
  readonly retentionMs: number

  /** Timeout for opening a connection, including handshake and authentication, ms. */
  readonly connectTimeoutMs: number
  /**
   * Timeout for the answer to a short request, ms. After it, the connection is pinged, and closed
   * if it is dead.
   */
  readonly requestTimeoutMs: number
  /** Interval of pings on an idle connection, ms; two unanswered pings end it. */
  readonly pingMs: number
  /**
   * Interval of heartbeats on an idle stream, ms; at least 100. Silence for 2.5 intervals is a
   * fault.
   */
  readonly heartbeatMs: number
  /** Interval at which a tail looks for added partitions and a re-created stream, ms. */
  readonly refreshMs: number
  /** First and longest pause between retries, ms; the pause doubles up to the longest. */
  readonly retryMs: number
  readonly maxRetryMs: number
  /**
   * Time for which a partition may fail before its tail reports `away`, ms: a change of leader is
   * no outage.
   */
  readonly awayAfterMs: number
  /** Time for which describe, offsets and range retry, ms. */
  readonly askTimeoutMs: number
  /**
   * Maximum bytes held for a partition while the server is asked whether a hole before them is a
   * loss.
   */
  readonly maxHeldBytes: number

  /**
   * Time for which a publish retries, ms; keep it below the streams' duplicate window (2 minutes
   * by default).
   */
  readonly publishTimeoutMs: number
  /** Time to wait for an acknowledgement before sending a record again, ms. */
  readonly publishAttemptMs: number
  /**
   * Maximum unacknowledged records of one partition. Servers refuse more than 10,000 that they
   * have not stored yet.
   */
  readonly maxFlyingRecords: number
  /** Maximum unacknowledged bytes of one partition; a larger record is sent alone. */
  readonly maxFlyingBytes: number
  /**
   * Maximum bytes of all records waiting for the servers; a publish above it is refused as
   * `overloaded`.
   */
  readonly maxQueuedBytes: number
}

const connectionSettings = {
  user: optional(text('name', { least: 1 }), 'user name; needs passwordFile'),
  passwordFile: optional(text('file'), 'file that contains the password'),
  tokenFile: optional(text('file'), 'file that contains the token'),
  nkeyFile: optional(text('file'), 'file that contains an NKey seed (SU...)'),
  credentialsFile: optional(text('file'), 'file that contains a user JWT and seed (.creds)'),
  tls: section<NatsTls>('TLS to NATS, beside tls:// in broker', {
    caFile: optional(text('file'), "PEM file with the authorities that may have signed the servers' certificates"),
    certFile: optional(text('file'), 'PEM file with the client certificate of this gateway and its chain'),
    keyFile: optional(text('file'), 'PEM file with the private key of that certificate'),
  }),
}

const prefix = {
  pattern: /^[^\s.*>]+(\.[^\s.*>]+)*$/,
  expected: 'expected the first tokens of subjects, without spaces or wildcards',
}
const domain = { pattern: /^[^\s.*>]+$/, expected: 'expected the name of a JetStream domain' }

const adapterSettings = {
  inboxPrefix: setting(
    text('tokens', prefix),
    '_INBOX',
    'first tokens of the inbox subjects for replies; the account must be allowed to subscribe to them',
  ),
  domain: optional(text('name', domain), "JetStream domain of the streams, if it is not the server's own"),
  replicas: setting(whole(1, 5), 1, 'replicas of streams that Carillon creates'),
  retentionMs: setting(whole(1000, 2 ** 42), 7 * 24 * 3_600_000, 'retention by age of streams that Carillon creates'),
  heartbeatMs: setting(whole(100, 60_000), 1000, 'interval of heartbeats on an idle stream'),
  requestTimeoutMs: setting(whole(100, 60_000), 2000, 'timeout of short requests'),
  connectTimeoutMs: setting(whole(100, 60_000), 2000, 'timeout of opening a connection'),
}

export const natsSection = section(
  'the NATS adapter',
  { ...connectionSettings, ...adapterSettings },
  credentialProblems,
)

export const natsDefaults: Omit<NatsOptions, 'servers'> = {
  ...defaultsOf(adapterSettings),
  singleStreams: [],
  clientName: 'carillon',
  pingMs: 2000,
  refreshMs: 3000,
  retryMs: 50,
  maxRetryMs: 1000,
  awayAfterMs: 1000,
  askTimeoutMs: 5000,
  maxHeldBytes: 4 << 20,
  publishTimeoutMs: 10_000,
  publishAttemptMs: 4000,
  maxFlyingRecords: 1024,
  maxFlyingBytes: 4 << 20,
  maxQueuedBytes: 32 << 20,
}

/** Returns the problems of the credential options by path, without reading their files. */
export function credentialProblems(options: NatsCredentials): Problem[] {
  const { user, passwordFile, tokenFile, nkeyFile, credentialsFile } = options
  const problems: Problem[] = []
  if (user !== undefined && passwordFile === undefined) {
    problems.push({ path: 'passwordFile', message: 'expected a file with the password beside user, got none' })
  }
  if (user === undefined && passwordFile !== undefined) {
    problems.push({ path: 'user', message: 'expected a user beside passwordFile, got none' })
  }
  const ways = { user: user ?? passwordFile, tokenFile, nkeyFile, credentialsFile }
  const given = Object.entries(ways).flatMap(([name, value]) => (value === undefined ? [] : [name]))
  if (given.length > 1) {
    problems.push({ path: given[1]!, message: `expected one kind of credentials, got ${given.join(' and ')}` })
  }
  return problems
}
