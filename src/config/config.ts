import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { isLoopback } from '../base/loopback.ts'
import { edgeDefaults } from '../edge/options.ts'
import { fillDefaults } from '../fanout/fill.ts'
import { bytesPerEntry } from '../log/entry-arena.ts'
import { leastSlabs, payloadSlabBytes, slabEntries } from '../log/window-pool.ts'
import { routeHashes } from '../routing/route.ts'
import { defaultRoutes, RoutingTable } from '../routing/table.ts'
import { sessionLimits } from '../session/limits.ts'
import { readBackDefaults } from '../session/read-back.ts'
import { embeddedDefaults } from '../source/embedded/options.ts'
import { credentialProblems, natsDefaults } from '../source/jetstream/options.ts'
import { kafkaDefaults } from '../source/kafka/options.ts'
import { readSecurity, SecurityError, saslMechanisms, securityDefaults } from '../source/kafka/security.ts'
import { parseBrokerUrl } from '../source/open.ts'
import { validatePattern } from '../subject/subject.ts'
import { logFormats, loggerDefaults, logLevels } from '../telemetry/logger.ts'
import { traceDefaults } from '../telemetry/trace-options.ts'
import { framings, streamFormatDefaults, streamFormats } from '../wire/stream-format.ts'
import { hashOf } from '../wire/token.ts'

/**
 * Every option of a gateway, in one schema: docs/config.md, `--help` and `config schema` are made of it. Units stand in the
 * names; defaults are those of the folders that use them.
 */

const mib = 1 << 20

/** A whole number with bounds. */
const count = (least: number, most: number) => z.int().min(least).max(most)

/** Runs a check that throws, and reports what it says. */
function passes(check: (text: string) => void) {
  return (text: string, context: z.RefinementCtx<string>) => {
    try {
      check(text)
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) })
    }
  }
}

const address = z.string().superRefine(passes(parseListen))

const hashRule = z.strictObject({
  hash: z.enum(routeHashes).describe('murmur2 (Kafka), fnv1a (NATS: the open tokens, unjoined), fnv1a-subject'),
  tokens: count(1, 128).optional().describe('only the first so many tokens count'),
})
const rangeRule = z.strictObject({
  ranges: z
    .array(
      z.strictObject({ from: z.string(), to: z.string().optional(), partitions: z.array(count(0, 100_000)).min(1) }),
    )
    .min(1)
    .describe('[from, to) in bytewise order -> partitions'),
})
const route = z.strictObject({
  subjects: z.string().superRefine(passes(validatePattern)).optional().describe('the subjects it is for: a pattern'),
  subject: z
    .string()
    .optional()
    .describe('how a subject comes of a key: {key}, or with tokens before it, orders.{key}'),
  stream: z.string().min(1).describe('the stream that has their events'),
  by: z
    .union([hashRule, rangeRule], {
      error: `expected {hash: ${routeHashes.join(' or ')}, tokens?: whole number} or {ranges: [{from, to?, partitions}]}`,
    })
    .describe('{hash, tokens?} or {ranges}'),
})
const stream = z.strictObject({
  topic: z.string().min(1).describe("the broker's name for it"),
  partitions: count(1, 100_000).default(4).describe('where the gateway creates it'),
  format: z.enum(streamFormats).default(streamFormatDefaults.format).describe('what the values of its records are'),
  framing: z
    .enum(framings)
    .default(streamFormatDefaults.framing)
    .describe("confluent: a schema registry's frame is taken off"),
  contentType: z
    .string()
    .max(255)
    .regex(/^([\w.+-]+\/[\w.+-]+( *;[ -~]*)?)?$/, 'expected a media type such as application/json, or nothing')
    .default(streamFormatDefaults.contentType)
    .describe('of raw and cloudevents values whose record has no content-type header'),
  headers: z
    .union([z.enum(['all', 'none']), z.array(z.string().min(1)).max(256)], {
      error: 'expected all, none, or a list of header names',
    })
    .default(streamFormatDefaults.headers as 'all')
    .describe('record headers that become attributes of a raw event'),
})

export const configSchema = z.strictObject({
  broker: z
    .string()
    .superRefine(passes(parseBrokerUrl))
    .default('embedded:.carillon/dev')
    .describe('kafka://HOST:PORT[,HOST:PORT], nats://HOST:PORT (or tls://), or embedded:DIRECTORY'),
  listen: address.default('127.0.0.1:8080').describe('HOST:PORT for clients'),
  admin: address.default('127.0.0.1:8081').describe('HOST:PORT for health, metrics and the admin API'),
  tlsCert: z.string().optional().describe('PEM file: the certificate and its chain'),
  tlsKey: z.string().optional().describe('PEM file: its private key'),
  dev: z.boolean().default(false).describe('serve the try-it page; loopback only'),
  createTopics: z.boolean().default(false).describe('create missing topics (the embedded log always does)'),
  allowOrigin: z
    .array(z.string().regex(/^(\*|https?:\/\/[^/\s]+)$/, 'expected an origin such as https://app.example, or *'))
    .default([])
    .describe(
      "origins of pages that may connect, besides the gateway's own; a loopback listener takes their hosts in Host",
    ),
  logLevel: z.enum(logLevels).default(loggerDefaults.level).describe('what is less grave is left out'),
  logFormat: z.enum(logFormats).default(loggerDefaults.format).describe('auto: text on a terminal, else json'),
  heartbeatMs: count(4000, 900_000)
    .default(edgeDefaults.heartbeatMs)
    .describe("silence after which a client is pinged; keep it below the load balancer's idle timeout"),
  drainMs: count(0, 3_600_000).default(5000).describe('how long a stopping gateway waits for its clients'),
  streams: z
    .record(z.string().regex(/^[A-Za-z0-9._-]{1,128}$/), stream)
    .prefault({ events: { topic: 'carillon', partitions: 4 } })
    .describe('name -> {topic, partitions, format, framing, contentType, headers}'),
  routes: z
    .array(route)
    .min(1)
    .default(structuredClone(defaultRoutes) as z.infer<typeof route>[])
    .describe('which subjects are in which partitions'),
  window: z
    .strictObject({
      windowMiB: count(1, 32_768)
        .default(512)
        .describe('events in memory, of all partitions together, MiB; 16 to 24 bytes beside each one'),
      indexMiB: count(1, 8192)
        .default(512)
        .describe(
          'records known by subject, payload in memory or not, of all partitions together, MiB; 32 bytes each (36 on NATS): with equal budgets, of events of 512 bytes 17 times as many as are in memory',
        ),
      fillAgeMs: count(0, 2 ** 42)
        .default(fillDefaults.ageMs)
        .describe('what a starting gateway reads into memory: records up to this old'),
      fillBudgetMs: count(0, 60_000)
        .default(fillDefaults.budgetMs)
        .describe('for how long, a stream, before it serves clients'),
    })
    .prefault({})
    .describe('what is kept in memory of the newest events'),
  limits: z
    .strictObject({
      maxSessions: count(1, 10_000_000).default(1_000_000).describe('sessions at once'),
      maxSubscriptions: count(1, 1_000_000)
        .default(sessionLimits.maxSubscriptions)
        .describe('subscriptions of one session'),
      maxFrameBytes: count(1024, 16 * mib)
        .default(edgeDefaults.maxFrameBytes)
        .describe('one frame from a client'),
      maxEventBytes: count(1024, 16 * mib - 1)
        .default(edgeDefaults.maxEventBytes)
        .describe('one event, as protobuf'),
      maxBackpressureBytes: count(1024, 64 * mib)
        .default(edgeDefaults.maxBackpressureBytes)
        .describe('what may wait for one full WebSocket'),
      maxBodyBytes: count(1024, 64 * mib)
        .default(edgeDefaults.maxBodyBytes)
        .describe('body of one request'),
      bodyMs: count(100, 7500).default(edgeDefaults.bodyMs).describe('within which a body must be complete'),
      maxBodies: count(1, 100_000).default(edgeDefaults.maxBodies).describe('bodies being read at once'),
      maxPublishes: count(1, 100_000).default(edgeDefaults.maxPublishes).describe('publish requests at once'),
      maxPublishEvents: count(1, 100_000).default(edgeDefaults.maxPublishEvents).describe('events in one request'),
      maxPollFrames: count(1, 10_000).default(edgeDefaults.maxPollFrames).describe('frames of one poll answer'),
      maxPollBytes: count(1024, 64 * mib)
        .default(edgeDefaults.maxPollBytes)
        .describe('bytes of one poll answer'),
      maxHttpConnections: count(1, 10_000_000)
        .default(edgeDefaults.maxHttpConnections)
        .describe('connections that are not WebSockets'),
      maxHeaderBytes: count(1024, mib).default(edgeDefaults.maxHeaderBytes).describe("a request's line and headers"),
    })
    .prefault({})
    .describe('bounds; each that is reached is an answer from docs/errors.md'),
  readBack: z
    .strictObject({
      chunkBytes: count(65_536, 64 * mib)
        .default(readBackDefaults.chunkBytes)
        .describe('one read of the broker'),
      cacheMiB: count(1, 65_536).default(64).describe('chunks kept for others who need them, MiB'),
      concurrency: count(1, 256).default(readBackDefaults.concurrency).describe('reads at once'),
      bytesPerSecond: count(0, 2 ** 40)
        .default(readBackDefaults.bytesPerSecond)
        .describe('keys and values read in a second, for all clients; 0: no limit'),
      maxAgeMs: count(0, 2 ** 42)
        .default(readBackDefaults.maxAgeMs)
        .describe('older records that left memory are a `gap budget`; 0: no limit'),
      maxBytesPerSession: count(0, 2 ** 46)
        .default(readBackDefaults.maxBytesPerSession)
        .describe('log read back for one session; what lies further back is a `gap budget`; 0: no limit'),
    })
    .prefault({})
    .describe('how what left the window is read from the broker'),
  kafka: z
    .strictObject({
      clientId: z.string().min(1).default(kafkaDefaults.clientId).describe("this gateway in the brokers' logs"),
      fetchWaitMs: count(1, 30_000)
        .default(kafkaDefaults.fetchWaitMs)
        .describe('how long a broker holds an idle fetch'),
      busyPauseMs: count(0, 1000).default(kafkaDefaults.busyPauseMs).describe('pause between fetches under load'),
      requestTimeoutMs: count(100, 60_000).default(kafkaDefaults.requestTimeoutMs).describe('for short questions'),
      connectTimeoutMs: count(100, 60_000).default(kafkaDefaults.connectTimeoutMs).describe('for a connection'),
      tls: z
        .strictObject({
          enabled: z.boolean().default(securityDefaults.tls.enabled).describe('connect by TLS'),
          caFile: z.string().optional().describe("PEM file: who may have signed the brokers' certificates"),
          certFile: z.string().optional().describe('PEM file: the certificate that this gateway shows, and its chain'),
          keyFile: z.string().optional().describe('PEM file: its private key'),
          serverName: z.string().min(1).optional().describe("the name in the brokers' certificates, if not their host"),
        })
        .prefault({})
        .describe('TLS to Kafka'),
      sasl: z
        .strictObject({
          mechanism: z.enum(saslMechanisms).optional().describe('how to authenticate'),
          username: z.string().min(1).optional().describe('as whom'),
          passwordFile: z.string().optional().describe('file with the password'),
        })
        .prefault({})
        .describe('authentication to Kafka'),
    })
    .prefault({})
    .describe('the Kafka adapter'),
  nats: z
    .strictObject({
      user: z.string().min(1).optional().describe('as whom, with passwordFile'),
      passwordFile: z.string().optional().describe('file with the password'),
      tokenFile: z.string().optional().describe('file with the token'),
      nkeyFile: z.string().optional().describe("file with an NKey's seed (SU...)"),
      credentialsFile: z.string().optional().describe("file with a user's JWT and seed (.creds)"),
      tls: z
        .strictObject({
          caFile: z.string().optional().describe("PEM file: who may have signed the servers' certificates"),
          certFile: z.string().optional().describe('PEM file: the certificate that this gateway shows, and its chain'),
          keyFile: z.string().optional().describe('PEM file: its private key'),
        })
        .prefault({})
        .describe('TLS to NATS, beside tls:// in broker'),
      inboxPrefix: z
        .string()
        .regex(/^[^\s.*>]+(\.[^\s.*>]+)*$/, 'expected the first tokens of subjects, without spaces or wildcards')
        .default(natsDefaults.inboxPrefix)
        .describe('first tokens of the subjects on which answers come: what the account may subscribe to'),
      domain: z
        .string()
        .regex(/^[^\s.*>]+$/, 'expected the name of a JetStream domain')
        .optional()
        .describe('JetStream domain of the streams, where it is another one'),
      replicas: count(1, 5).default(natsDefaults.replicas).describe('copies of a stream that is created here'),
      retentionMs: count(1000, 2 ** 42)
        .default(natsDefaults.retentionMs)
        .describe('how old a record may grow in a stream that is created here'),
      heartbeatMs: count(100, 60_000)
        .default(natsDefaults.heartbeatMs)
        .describe('how often an idle stream says that it is there'),
      requestTimeoutMs: count(100, 60_000).default(natsDefaults.requestTimeoutMs).describe('for short questions'),
      connectTimeoutMs: count(100, 60_000).default(natsDefaults.connectTimeoutMs).describe('for a connection'),
    })
    .prefault({})
    .describe('the NATS adapter'),
  embedded: z
    .strictObject({
      retentionMs: count(1000, 2 ** 42)
        .default(embeddedDefaults.retentionMs)
        .describe('how old a record may grow'),
      retentionBytes: count(mib, 2 ** 46)
        .default(embeddedDefaults.retentionBytes)
        .describe('what a partition keeps'),
    })
    .prefault({})
    .describe('the embedded log'),
  traces: z
    .strictObject({
      eventsPerSecond: count(0, 100_000)
        .default(traceDefaults.eventsPerSecond)
        .describe('sampled events that become spans, a second'),
      deliveriesPerEvent: count(0, 10_000)
        .default(traceDefaults.deliveriesPerEvent)
        .describe('delivery spans of one event: the first delivery and the latest'),
      deliveriesPerSecond: count(0, 100_000)
        .default(traceDefaults.deliveriesPerSecond)
        .describe('delivery spans, a second'),
      replayAfterMs: count(0, 86_400_000)
        .default(traceDefaults.replayAfterMs)
        .describe("age of an event from which a delivery is a trace of its own that links to the event's"),
    })
    .prefault({})
    .describe('what traces may cost; the OTEL_* variables turn them on'),
})

/** The effective options, validated. */
export type Config = z.output<typeof configSchema>

/** `127.0.0.1:8080`, `[::1]:8080`, `localhost:0`: host without brackets, port (0 = any free one). Throws what was expected. */
export function parseListen(text: string): { host: string; port: number } {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:[\]/@]+):(\d{1,5})$/.exec(text)
  const port = Number(match?.[2])
  if (match === null || port > 65_535) {
    const url = text.includes('://') ? ': leave out the scheme and the path' : ''
    throw new Error(`expected HOST:PORT such as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080, got "${text}"${url}`)
  }
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port }
}

/** A mistake that only shows when options are seen together. */
export interface Conflict {
  readonly path: string
  readonly message: string
}

/**
 * What is wrong with options that are right one by one. Those below a name of the file that is in `wrong` are not what was given,
 * so nothing is said of them.
 */
export function conflicts(config: Config, wrong: ReadonlySet<string> = new Set()): Conflict[] {
  const found: Conflict[] = []
  const add = (path: string, message: string) => found.push({ path, message })
  const isGiven = (...names: (keyof Config)[]) => !names.some((name) => wrong.has(name))
  const { dev, listen } = config
  if (isGiven('dev', 'listen') && dev && !isLoopback(parseListen(listen).host)) {
    add(
      'listen',
      `expected a loopback address with dev, such as 127.0.0.1:8080, got "${listen}": the try-it page lets anyone publish`,
    )
  }
  if (isGiven('window', 'limits', 'streams')) found.push(...windowConflicts(config))
  if (isGiven('streams')) found.push(...streamConflicts(config), ...nameConflicts(config))
  if (isGiven('streams', 'routes')) found.push(...routeConflicts(config))
  if (isGiven('nats')) {
    for (const { path, message } of credentialProblems(config.nats)) add(`nats.${path}`, message)
  }
  if (isGiven('tlsCert', 'tlsKey')) found.push(...tlsConflicts(config))
  if (isGiven('kafka')) found.push(...kafkaConflicts(config))
  return found
}

/** A window needs a slab that it fills, and keeps another one: with fewer, partitions take them from each other all the time. */
function windowConflicts({ window, limits, streams }: Config): Conflict[] {
  const partitions = Object.values(streams).reduce((sum, each) => sum + each.partitions, 0)
  const least = (slabBytes: number) => Math.ceil((leastSlabs * partitions * slabBytes) / mib)
  const problem = (path: string, got: number, needed: number, slabs: string): Conflict[] => {
    const message = `expected at least ${needed} MiB, two ${slabs} for each of ${partitions} partitions, got ${got} MiB`
    return got < needed ? [{ path, message }] : []
  }
  const slabBytes = payloadSlabBytes(limits.maxEventBytes)
  const slabs = `slabs of ${slabBytes / 1024} KiB (limits.maxEventBytes fits in one)`
  return [
    ...problem('window.windowMiB', window.windowMiB, least(slabBytes), slabs),
    ...problem('window.indexMiB', window.indexMiB, least(slabEntries * bytesPerEntry('times')), 'slabs of 36 KiB'),
  ]
}

/** Two streams of one topic would each have its own idea of which subjects are in it. */
function streamConflicts({ streams }: Config): Conflict[] {
  const byTopic = new Map<string, string>()
  return Object.entries(streams).flatMap(([name, { topic }]) => {
    const other = byTopic.get(topic)
    if (other === undefined) {
      byTopic.set(topic, name)
      return []
    }
    const said = `expected a topic that no other stream has, got "${topic}", which is the topic of ${other}`
    return [{ path: `streams.${name}.topic`, message: `${said}: let the routes name ${other} instead` }]
  })
}

/** Tokens and clients know a stream by the hash of its name. */
function nameConflicts({ streams }: Config): Conflict[] {
  const byHash = new Map<number, string>()
  return Object.keys(streams).flatMap((name) => {
    const hash = hashOf(name)
    const other = byHash.get(hash)
    if (other === undefined) {
      byHash.set(hash, name)
      return []
    }
    const said = `expected names whose 32-bit hashes in tokens differ, and "${name}" has the same one as "${other}"`
    return [
      {
        path: `streams.${name}`,
        message: `${said}: rename either of the two streams, and in its routes; its topic stays`,
      },
    ]
  })
}

function routeConflicts({ streams, routes }: Config): Conflict[] {
  const found: Conflict[] = []
  const add = (path: string, message: string) => found.push({ path, message })
  routes.forEach((each, i) => {
    const stream = Object.hasOwn(streams, each.stream) ? streams[each.stream]! : undefined
    if (stream === undefined) {
      add(`routes.${i}.stream`, `expected one of the streams ${Object.keys(streams).join(', ')}, got "${each.stream}"`)
    } else if (
      stream.format === 'raw' &&
      'hash' in each.by &&
      each.by.hash === 'murmur2' &&
      each.by.tokens !== undefined
    ) {
      const said = `expected no tokens for the raw stream ${each.stream}, got ${each.by.tokens}`
      add(`routes.${i}.by`, `${said}: its subjects are its keys, and Kafka's producers hash a key as a whole`)
    }
    if (each.subjects === undefined && each.subject === undefined) {
      add(`routes.${i}`, 'expected subjects (a pattern) or subject (a template such as orders.{key}), got neither')
    }
  })
  try {
    new RoutingTable(routes)
  } catch (error) {
    add('routes', (error as Error).message)
  }
  return found
}

function tlsConflicts({ tlsCert, tlsKey }: Config): Conflict[] {
  if (tlsCert === undefined && tlsKey === undefined) return []
  if (tlsKey === undefined) return [{ path: 'tlsKey', message: 'expected a PEM file beside tlsCert, got none' }]
  if (tlsCert === undefined) return [{ path: 'tlsCert', message: 'expected a PEM file beside tlsKey, got none' }]
  const certificate = readPem('tlsCert', tlsCert, (pem) => new X509Certificate(pem))
  const key = readPem('tlsKey', tlsKey, (pem) => createPrivateKey(pem))
  if ('message' in certificate || 'message' in key) return [certificate, key].filter((each) => 'message' in each)
  if (certificate.value.checkPrivateKey(key.value)) return []
  return [{ path: 'tlsKey', message: `expected the private key of ${tlsCert}, got another one in ${tlsKey}` }]
}

/** As a connection would find it: the files are read again then. */
function kafkaConflicts({ kafka }: Config): Conflict[] {
  try {
    readSecurity(kafka)
    return []
  } catch (error) {
    if (!(error instanceof SecurityError)) throw error
    return [{ path: `kafka.${error.option}`, message: error.problem }]
  }
}

function readPem<T>(path: string, file: string, parse: (pem: Buffer) => T): { value: T } | Conflict {
  try {
    return { value: parse(readFileSync(file)) }
  } catch (error) {
    return { path, message: `expected a readable PEM file, got "${file}": ${(error as Error).message}` }
  }
}
