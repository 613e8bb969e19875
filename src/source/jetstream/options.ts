import { defaultsOf, optional, type Problem, section, setting, text, whole } from '../../base/setting.ts'

/** How a connection is encrypted and who is trusted; files in PEM. `true` = the system's authorities, no certificate of our own. */
export interface NatsTls {
  /** Authorities that vouch for the servers, instead of the system's. */
  readonly caFile?: string | undefined
  /** Our own certificate and its key, where the servers ask for one. */
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
}

/** Who we are to the servers: at most one way of them. Secrets stand in files, which are read at each connection. */
export interface NatsCredentials {
  /** With `passwordFile`. */
  readonly user?: string | undefined
  readonly passwordFile?: string | undefined
  readonly tokenFile?: string | undefined
  /** An NKey's seed (`SU…`). */
  readonly nkeyFile?: string | undefined
  /** A user's JWT and seed, as `nsc generate creds` writes them. */
  readonly credentialsFile?: string | undefined
}

export interface NatsOptions extends NatsCredentials {
  /** `host:port` of one or more servers of the cluster: each connection picks one at random, and another when that fails. */
  readonly servers: readonly string[]
  /** Absent = encrypted where the server wants it, with the system's authorities. */
  readonly tls?: NatsTls | true | undefined
  /** How Carillon calls itself in the servers' monitoring. */
  readonly clientName: string
  /** First tokens of the subjects on which answers and records come: what the account may subscribe to. */
  readonly inboxPrefix: string
  /** JetStream domain, where the streams are behind a leaf node. */
  readonly domain?: string | undefined

  /** Topics that are one JetStream stream as it is, and no family. */
  readonly singleStreams: readonly string[]

  /** Of streams that are created here: copies in the cluster, 1 to 5. */
  readonly replicas: number
  /** Of streams that are created here: how old a record may grow, ms. */
  readonly retentionMs: number

  /** How long a connection may take, handshake and authentication included, ms. */
  readonly connectTimeoutMs: number
  /** How long an answer to a short question may take, ms; then the connection is tried, and given up when it is dead. */
  readonly requestTimeoutMs: number
  /** How often an idle connection is tried, ms; two tries without an answer end it. */
  readonly pingMs: number
  /** How often an idle stream says that it is there, ms; silence for two and a half times as long is a fault. At least 100. */
  readonly heartbeatMs: number
  /** How often a tail looks for partitions that were added, and for another stream under the name, ms. */
  readonly refreshMs: number
  /** The first and the longest pause between retries, ms; doubled from one to the other. */
  readonly retryMs: number
  readonly maxRetryMs: number
  /** For how long a partition may fail before its tail says `away`, ms: a leader's move is no outage. */
  readonly awayAfterMs: number
  /** How long describe, offsets and range go on retrying, ms. */
  readonly askTimeoutMs: number
  /** Records that wait while the server is asked whether a hole before them is a loss, bytes a partition. */
  readonly maxHeldBytes: number

  /** How long a publish goes on retrying, ms; keep it below the streams' duplicate window (2 minutes by default). */
  readonly publishTimeoutMs: number
  /** How long an acknowledgement may take before its record is sent again, ms. */
  readonly publishAttemptMs: number
  /** Records of one partition that wait for their acknowledgement; servers refuse more than 10,000 that they have not stored yet. */
  readonly maxFlyingRecords: number
  /** The same, bytes; a larger record goes alone. */
  readonly maxFlyingBytes: number
  /** Records that wait for their server, bytes in all; beyond that a publish is refused as `overloaded`. */
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

/** What is wrong with the credentials as options, path by path; their files are not looked at. */
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
    problems.push({ path: given[1]!, message: `expected one way to say who we are, got ${given.join(' and ')}` })
  }
  return problems
}
