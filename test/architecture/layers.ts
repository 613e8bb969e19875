/** A room is a folder, or a file beside the folders; a folder in a room that has a row here is a room of its own. */
interface Room {
  /**
   * What it may import beside its own files: rooms, single files where only a contract is meant, or files of one name wherever they lie.
   * A permission that nothing uses has to go.
   */
  readonly may: readonly string[]
  /** Runs in browsers too: nothing of Node's own, but in the files named here, which browsers never load. */
  readonly browser?: readonly string[]
}

const brokerContract = 'source/source.ts'
const brokerSettings = 'source/settings.ts'
const brokerOptions = 'source/options.ts'
const brokerOpener = 'source/open.ts'
/** What each room says of its own options, in a file of this name. */
const optionsOfRooms = '**/options.ts'

/** The rooms of src, by their paths in it. */
export const layers: Readonly<Record<string, Room>> = {
  base: { may: [], browser: [] },
  subject: { may: ['base'], browser: [] },
  wire: { may: ['base', 'subject'], browser: [] },
  routing: { may: ['base', 'subject'] },
  telemetry: { may: ['base'] },
  identity: { may: [] },
  log: { may: ['base'] },
  source: { may: ['base', 'log/record.ts', 'subject/subject.ts'] },
  publish: { may: ['base', 'identity', 'wire', 'routing', 'telemetry', brokerContract] },
  intake: { may: ['base', 'subject', 'wire', 'routing', 'log', 'telemetry', brokerContract] },
  fanout: { may: ['base', 'subject', 'wire', 'routing', 'log', 'intake', 'telemetry', brokerContract] },
  session: { may: ['base', 'subject', 'identity', 'wire', 'log', 'fanout', 'telemetry'] },
  serving: {
    may: [
      'base',
      'subject',
      'wire',
      'routing',
      'log',
      'intake',
      'fanout',
      'session',
      'telemetry',
      brokerContract,
      brokerOptions,
    ],
  },
  edge: { may: ['base', 'identity', 'wire', 'session', 'telemetry'] },
  admin: { may: ['base'] },
  client: { may: ['base', 'subject', 'wire'], browser: ['client/file-store.ts'] },
  'bench/process': { may: ['base'] },
  'bench/load': { may: ['base', 'wire', 'bench/process'] },
  'bench/report': { may: ['bench/load', 'bench/process'] },
  'bench/carillon': { may: ['base', 'wire', 'routing', brokerContract, brokerOpener, 'bench/load', 'bench/process'] },
  bench: { may: ['base', 'bench/load', 'bench/process', 'bench/report', 'bench/carillon'] },
  capacity: { may: ['base', 'wire', 'bench', 'bench/load', 'bench/process', 'bench/report', optionsOfRooms] },
  doctor: {
    may: ['base', 'routing', 'wire', 'log/record.ts', 'intake/intake.ts', brokerContract, brokerSettings, 'capacity'],
  },
  config: { may: ['base', optionsOfRooms, 'routing/problems.ts'] },
  gateway: {
    may: ['base', 'identity', 'routing', 'telemetry', 'source', 'publish', 'serving', 'edge', 'admin', 'config'],
  },
  cli: {
    may: [
      ...['base', 'subject', 'identity', 'wire', 'routing', 'publish', 'client', 'config', 'gateway', 'telemetry'],
      ...[brokerContract, brokerOpener, brokerOptions, 'doctor', 'capacity'],
      ...['bench', 'bench/load', 'bench/report', 'bench/carillon'],
    ],
  },
}

/**
 * The rooms of test/ and scripts/, and which other ones of these each may import; all of src each of them may. Scripts are command lines: what they are made of
 * is in rooms of test/, beside its tests, and no test imports a script. The rows of both roots are about the files that lie directly in them.
 */
export const workshop: Readonly<Record<string, readonly string[]>> = {
  scripts: [
    ...['test/brokers', 'test/simulation', 'test/mutants', 'test/coverage'],
    ...[
      'test/figures',
      'test/reconnect-storm',
      'test/soak',
      'test/parts',
      'test/peers',
      'test/faults',
      'scripts/window-bench',
    ],
    ...['test/attack', 'test/command', 'test/client'],
  ],
  'scripts/window-bench': [],
  test: ['test/architecture', 'test/parts'],
  'test/architecture': [],
  'test/admin': ['test/model', 'test/support'],
  'test/attack': ['test/command', 'test/figures', 'test/support'],
  'test/base': ['test/model'],
  'test/bench': ['test/support'],
  'test/brokers': ['test/support'],
  'test/capacity': [],
  'test/cli': ['test/model'],
  'test/client': ['test/model', 'test/session'],
  'test/command': [],
  'test/config': [],
  'test/coverage': [],
  'test/deploy': ['test/brokers', 'test/docs'],
  'test/docs': ['test/doctor', 'test/support'],
  'test/doctor': ['test/model'],
  'test/edge': ['test/model', 'test/support'],
  'test/fanout': ['test/model', 'test/session'],
  'test/faults': ['test/brokers', 'test/command', 'test/simulation', 'test/support'],
  'test/figures': ['test/brokers', 'test/command'],
  'test/reconnect-storm': ['test/command', 'test/figures'],
  'test/intake': ['test/wire'],
  'test/log': ['test/model'],
  'test/model': [],
  'test/mutants': ['test/simulation'],
  'test/parts': [],
  'test/peers': ['test/brokers'],
  'test/publish': ['test/intake', 'test/model', 'test/wire'],
  'test/real': [
    ...['test/attack', 'test/brokers', 'test/client', 'test/deploy', 'test/docs'],
    ...['test/figures', 'test/peers', 'test/source', 'test/support'],
  ],
  'test/routing': [],
  'test/serving': ['test/model', 'test/session'],
  'test/session': ['test/model', 'test/simulation', 'test/telemetry'],
  'test/simulation': [],
  'test/soak': ['test/command', 'test/figures', 'test/support'],
  'test/source': ['test/model', 'test/simulation', 'test/support'],
  'test/subject': [],
  'test/support': [],
  'test/telemetry': ['test/model', 'test/support'],
  'test/wire': [],
}

/** Siblings that know nothing of each other: only their opener knows both. */
export const adapters = ['source/kafka/', 'source/embedded/', 'source/jetstream/']

/** The one place of each package, so that another one can take its part by changing that place alone. */
export const owners: Readonly<Record<string, string>> = {
  '@nats-io/jetstream': 'source/jetstream/',
  '@nats-io/transport-node': 'source/jetstream/',
  '@node-rs/crc32': 'source/kafka/',
  '@opentelemetry/api': 'telemetry/',
  '@opentelemetry/exporter-prometheus': 'telemetry/sdk.ts',
  '@opentelemetry/exporter-trace-otlp-grpc': 'telemetry/trace-sdk.ts',
  '@opentelemetry/exporter-trace-otlp-http': 'telemetry/trace-sdk.ts',
  '@opentelemetry/exporter-trace-otlp-proto': 'telemetry/trace-sdk.ts',
  '@opentelemetry/resources': 'telemetry/',
  '@opentelemetry/sdk-metrics': 'telemetry/sdk.ts',
  '@opentelemetry/sdk-node': 'telemetry/trace-sdk.ts',
  '@opentelemetry/sdk-trace': 'telemetry/trace-sdk.ts',
  commander: 'cli/',
  kafkajs: 'source/kafka/',
  lmdb: 'source/embedded/',
  'lz4-napi': 'source/kafka/',
  pino: 'telemetry/logger.ts',
  protobufjs: 'wire/',
  snappy: 'source/kafka/',
  'uWebSockets.js': 'edge/listener.ts',
  yaml: 'config/load.ts',
  zod: 'config/',
}

/** What protobufjs's generated types name beside it; declared by protobufjs. */
export const generatedTypes = ['long']
