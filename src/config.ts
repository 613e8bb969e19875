import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { isLoopback } from './base/loopback.ts'
import { edgeDefaults } from './edge/options.ts'
import { routeHashes } from './routing/route.ts'
import { defaultRoutes, RoutingTable } from './routing/table.ts'
import { sessionLimits } from './session/client-session.ts'
import { readBackDefaults } from './session/read-back.ts'
import { embeddedDefaults } from './source/embedded/options.ts'
import { kafkaDefaults } from './source/kafka/options.ts'
import { parseBrokerUrl } from './source/open.ts'
import { validatePattern } from './subject/subject.ts'
import { logFormats, loggerDefaults, logLevels } from './telemetry/logger.ts'

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
  subjects: z.string().superRefine(passes(validatePattern)).describe('the subjects it is for: a pattern'),
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
})

export const configSchema = z.strictObject({
  broker: z
    .string()
    .superRefine(passes(parseBrokerUrl))
    .default('embedded:.carillon/dev')
    .describe('kafka://HOST:PORT[,HOST:PORT] or embedded:DIRECTORY'),
  listen: address.default('127.0.0.1:8080').describe('HOST:PORT for clients'),
  admin: address.default('127.0.0.1:8081').describe('HOST:PORT for health, metrics and the admin API'),
  tlsCert: z.string().optional().describe('PEM file: the certificate and its chain'),
  tlsKey: z.string().optional().describe('PEM file: its private key'),
  dev: z.boolean().default(false).describe('serve the try-it page; loopback only'),
  createTopics: z.boolean().default(false).describe('create missing topics (the embedded log always does)'),
  allowOrigin: z
    .array(z.string().regex(/^(\*|https?:\/\/[^/\s]+)$/, 'expected an origin such as https://app.example, or *'))
    .default([])
    .describe("origins of pages that may connect, besides the gateway's own"),
  logLevel: z.enum(logLevels).default(loggerDefaults.level).describe('what is less grave is left out'),
  logFormat: z.enum(logFormats).default(loggerDefaults.format).describe('auto: text on a terminal, else json'),
  heartbeatMs: count(4000, 900_000)
    .default(edgeDefaults.heartbeatMs)
    .describe("silence after which a client is pinged; keep it below the load balancer's idle timeout"),
  drainMs: count(0, 3_600_000).default(5000).describe('how long a stopping gateway waits for its clients'),
  streams: z
    .record(z.string().regex(/^[A-Za-z0-9._-]{1,128}$/), stream)
    .default({ events: { topic: 'carillon', partitions: 4 } })
    .describe('name -> {topic, partitions}'),
  routes: z
    .array(route)
    .min(1)
    .default(structuredClone(defaultRoutes) as z.infer<typeof route>[])
    .describe('which subjects are in which partitions'),
  window: z
    .strictObject({
      payloadMiB: count(1, 65_536).default(64).describe('payload ring of a partition, MiB'),
      indexEntries: count(64, 2 ** 26)
        .default(262_144)
        .describe('records that a partition keeps in memory'),
    })
    .prefault({})
    .describe('what is kept in memory of each partition'),
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
    })
    .prefault({})
    .describe('the Kafka adapter'),
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
})

/** The effective options, validated. */
export type Config = z.output<typeof configSchema>

/** `127.0.0.1:8080`, `[::1]:8080`, `localhost:0`: host without brackets, port (0 = any free one). Throws what was expected. */
export function parseListen(text: string): { host: string; port: number } {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:[\]/@]+):(\d{1,5})$/.exec(text)
  const port = Number(match?.[2])
  if (match === null || port > 65_535) {
    throw new Error(`expected HOST:PORT such as 127.0.0.1:8080, [::1]:8080 or 0.0.0.0:8080, got "${text}"`)
  }
  return { host: match[1]!.replace(/^\[|\]$/g, ''), port }
}

/** A mistake that only shows when options are seen together. */
export interface Conflict {
  readonly path: string
  readonly message: string
}

/** What is wrong with options that are right one by one. */
export function conflicts(config: Config): Conflict[] {
  const found: Conflict[] = []
  const add = (path: string, message: string) => found.push({ path, message })
  const { dev, listen, window, limits, streams, routes } = config
  if (dev && !isLoopback(parseListen(listen).host)) {
    add(
      'listen',
      `expected a loopback address with dev, such as 127.0.0.1:8080, got "${listen}": the try-it page lets anyone publish`,
    )
  }
  if (window.payloadMiB * mib < 4 * limits.maxEventBytes) {
    add(
      'window.payloadMiB',
      `expected room for four events of limits.maxEventBytes (${limits.maxEventBytes}), got ${window.payloadMiB} MiB`,
    )
  }
  routes.forEach((each, i) => {
    if (Object.hasOwn(streams, each.stream)) return
    add(`routes.${i}.stream`, `expected one of the streams ${Object.keys(streams).join(', ')}, got "${each.stream}"`)
  })
  try {
    new RoutingTable(routes)
  } catch (error) {
    add('routes', (error as Error).message)
  }
  return [...found, ...tlsConflicts(config)]
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

function readPem<T>(path: string, file: string, parse: (pem: Buffer) => T): { value: T } | Conflict {
  try {
    return { value: parse(readFileSync(file)) }
  } catch (error) {
    return { path, message: `expected a readable PEM file, got "${file}": ${(error as Error).message}` }
  }
}
