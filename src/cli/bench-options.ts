import { type Command, InvalidArgumentError, Option } from 'commander'
import { CarillonError } from '../base/errors.ts'
import type { BrokerWayTarget } from '../bench/carillon/broker-way.ts'
import { CarillonTarget } from '../bench/carillon/target.ts'
import { headBytes } from '../bench/load/payload.ts'
import { type Load, loadOf, type ScenarioName, scenarioNames } from '../bench/load/scenario.ts'
import type { Endpoint } from '../bench/load/socket.ts'
import { maxSubjects } from '../bench/load/subjects.ts'
import type { Config } from '../config/config.ts'
import type { Loaded } from '../config/load.ts'
import { oneOf } from './choice.ts'
import { gatewayUrl, wholeNumber } from './gateway-url.ts'
import { version } from './version.ts'

export interface BenchFlags {
  readonly clients?: number
  readonly rate?: number
  readonly payload?: number
  readonly duration?: number
  readonly warmup?: number
  readonly subjects?: number
  readonly seed?: number
  readonly gateways?: number
  readonly url?: readonly string[]
  readonly metrics?: readonly string[]
  readonly transport: 'ws' | 'sse' | 'poll'
  readonly codec?: 'json' | 'protobuf'
  readonly tls?: boolean
  readonly find?: number
  readonly calibrate: boolean
  /** True = stdout. */
  readonly json?: string | true
  readonly html?: string
  readonly firstPort?: number
}

/** Minimum size of a payload: its head and its end, bytes. */
const leastPayload = headBytes + 12
const maxPayload = 60_000
const maxRate = 2_000_000

const list = (parse: (text: string) => string) => (text: string, all: string[] | undefined) => [
  ...(all ?? []),
  parse(text),
]

export function addBenchOptions(command: Command): void {
  command
    .option('--clients <count>', 'number of clients, with one connection each', wholeNumber)
    .option('--rate <events/s>', 'total events per second', number(0.001, maxRate))
    .option('--payload <bytes>', "size of an event's data", number(leastPayload, maxPayload))
    .option('--duration <s>', 'duration of the measurement', number(1, 1e6))
    .option('--warmup <s>', 'duration of the warm-up before it (default: 5)', number(0, 3600))
    .option(
      '--subjects <count>',
      'number of subjects of mixed (default: a tenth of the clients)',
      number(1, maxSubjects),
    )
    .option(
      '--gateways <count>',
      'number of gateways to start (default: 1; for failover with Kafka or NATS: 2)',
      wholeNumber,
    )
    .option('--url <url>', 'URL of a running gateway; may be repeated', list(gatewayUrl))
    .option(
      '--metrics <url>',
      "URL of a running gateway's admin listener, for its GC and loop delay; may be repeated",
      list(gatewayUrl),
    )
    .addOption(
      new Option('--transport <name>', 'transport of the clients').choices(['ws', 'sse', 'poll']).default('ws'),
    )
    .addOption(
      new Option(
        '--codec <name>',
        'encoding of frames; protobuf is the default over WebSocket, and not available elsewhere',
      ).choices(['json', 'protobuf']),
    )
    .option('--tls', 'started gateways serve TLS, with a certificate for this run')
    .option('--find <ms>', 'search for the highest rate whose 99th percentile stays within this', number(0.1, 1e6))
    .option('--no-calibrate', 'skip measuring the load generator first')
    .option('--seed <number>', 'seed of the random subjects of mixed (default: 1)', wholeNumber)
    .option('--first-port <port>', 'first port of started gateways (default: 21700)', number(1024, 65_000))
    .option('--json [file]', 'write the report as JSON to a file, or to stdout instead of the tables')
    .option('--html <file>', 'write the report as one HTML page')
}

function number(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() !== '' && value >= least && value <= most) return value
    throw new InvalidArgumentError(`expected a number from ${least} to ${most}`)
  }
}

const mistake = (text: string) => new CarillonError('bad_request', `${text}: see carillon bench --help`)

/** Returns the load of the command line. Throws `bad_request` with what was expected. */
export function loadFrom(name: string, flags: BenchFlags): Load {
  const scenario = oneOf(name, scenarioNames)
  const { clients, rate, payload, duration, warmup, subjects, seed } = flags
  const load = loadOf(scenario, {
    clients,
    rate,
    payloadBytes: payload === undefined ? undefined : Math.round(payload),
    durationS: duration,
    warmupS: warmup,
    subjects: subjects === undefined ? undefined : Math.round(subjects),
    seed,
  })
  if (load.subjects > maxSubjects) throw mistake(`expected at most ${maxSubjects} subjects, got ${load.subjects}`)
  return load
}

/**
 * Returns the gateways of the command line and the configuration. Throws `bad_request` with what
 * was expected.
 */
export function targetFrom(scenario: ScenarioName, flags: BenchFlags, { config, origins }: Loaded): CarillonTarget {
  const { transport, codec = transport === 'ws' ? 'protobuf' : 'json', url = [], metrics = [] } = flags
  if (codec === 'protobuf' && transport !== 'ws')
    throw mistake(`--codec: ${transport} supports only json, got protobuf`)
  const isGiven = origins.has('broker')
  const embedded = config.broker.startsWith('embedded:')
  const running = url.map(endpointOf)
  if (running.length > 0 && scenario === 'failover') throw mistake('failover kills a gateway: expected no --url')
  const gateways = flags.gateways ?? (scenario === 'failover' && !embedded ? 2 : 1)
  if (embedded && gateways > 1) {
    throw mistake(
      `--gateways: an embedded log belongs to one gateway, got ${gateways}; give --broker kafka://… or nats://…`,
    )
  }
  const streams = origins.has('streams') ? config.streams : benchStreams
  return new CarillonTarget({
    version: version(),
    transport,
    codec,
    tls: flags.tls === true,
    running,
    admins: metrics,
    gateways,
    ...(flags.firstPort === undefined ? {} : { firstPort: flags.firstPort }),
    broker: embedded
      ? undefined
      : brokerOf(config, { streams: running.length > 0 ? config.streams : streams, create: running.length === 0 }),
    gatewayOptions: {
      ...changed(config, origins),
      ...(embedded && !isGiven ? {} : { broker: config.broker }),
      streams,
    },
  })
}

/** Separate topic, so that a benchmark's events reach no other stream. */
const benchStreams = { events: { topic: 'carillon-bench', partitions: 4 } }

/**
 * Returns the options for a started gateway that were set explicitly, without those that bench
 * sets.
 */
function changed(config: Config, origins: Loaded['origins']): Record<string, unknown> {
  const others = new Set([
    'listen',
    'admin',
    'tlsCert',
    'tlsKey',
    'dev',
    'createTopics',
    'drainMs',
    'broker',
    'streams',
  ])
  const sections = [...origins.keys()].map((path) => path.split('.')[0]!)
  const chosen = [...new Set(sections)].filter((name) => !others.has(name))
  return Object.fromEntries(chosen.map((name) => [name, config[name as keyof Config]]))
}

function brokerOf(
  { broker, kafka, nats, routes }: Config,
  { streams, create }: Pick<BrokerWayTarget, 'streams' | 'create'>,
): BrokerWayTarget {
  for (const [name, stream] of Object.entries(streams) as [
    string,
    { format?: string; framing?: string; layout?: string },
  ][]) {
    const { format = 'event', framing = 'none', layout } = stream
    if (layout === 'single')
      throw mistake(`bench publishes its own events, but stream ${name} is read as it is (layout: single)`)
    if (format === 'event' && framing === 'none') continue
    throw mistake(`bench publishes events, but stream ${name} has format ${format}, framing ${framing}`)
  }
  return { url: broker, options: { kafka, nats }, routes, streams, create }
}

function endpointOf(text: string): Endpoint {
  const { protocol, hostname, port } = new URL(text)
  const tls = protocol === 'https:'
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (tls ? 443 : 80)), tls }
}
