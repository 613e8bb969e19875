import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import test from 'node:test'

/**
 * What a folder of src, or a file beside the folders, may import: folders, single files where only a contract is meant, or files of
 * one name wherever they lie.
 * Its own files it may always import.
 */
interface Layer {
  readonly may: readonly string[]
  /** Runs in browsers too: nothing of Node's own, but in the files named here, which browsers never load. */
  readonly browser?: readonly string[]
}

const brokerContract = 'source/source.ts'
const brokerSettings = 'source/settings.ts'
const brokerOpener = 'source/open.ts'
/** What each room says of its own options, in a file of this name. */
const optionsOfRooms = '**/options.ts'

const layers: Readonly<Record<string, Layer>> = {
  base: { may: [], browser: [] },
  subject: { may: ['base'], browser: [] },
  wire: { may: ['base', 'subject'], browser: [] },
  routing: { may: ['base', 'subject'] },
  telemetry: { may: ['base'] },
  log: { may: ['base', 'subject'] },
  source: { may: ['base', 'wire', 'telemetry', 'log/record.ts'] },
  publish: { may: ['base', 'subject', 'wire', 'routing', 'telemetry', brokerContract] },
  fanout: { may: ['base', 'subject', 'wire', 'routing', 'log', 'telemetry', brokerContract] },
  session: { may: ['base', 'subject', 'wire', 'routing', 'log', 'fanout', 'telemetry', brokerContract] },
  serving: { may: ['base', 'subject', 'wire', 'routing', 'log', 'fanout', 'session', 'telemetry', brokerContract] },
  edge: { may: ['base', 'subject', 'wire', 'routing', 'publish', 'session', 'telemetry', brokerContract] },
  admin: { may: ['base'] },
  client: { may: ['base', 'subject', 'wire'], browser: ['client/file-store.ts'] },
  bench: { may: ['base', 'subject', 'wire', 'routing', brokerContract, brokerOpener] },
  capacity: { may: ['base', 'wire', 'bench'] },
  doctor: {
    may: ['base', 'routing', 'wire', 'log/record.ts', 'fanout/intake.ts', brokerContract, brokerSettings, 'capacity'],
  },
  config: { may: ['base', optionsOfRooms, 'routing/problems.ts'] },
  'gateway.ts': { may: allBut('subject', 'wire', 'log', 'fanout', 'session', 'client', 'cli') },
  cli: {
    may: [
      ...['base', 'subject', 'wire', 'routing', 'publish', 'client', 'config', 'gateway.ts'],
      ...[brokerContract, brokerOpener, 'telemetry', 'doctor', 'capacity', 'bench'],
    ],
  },
}

/** Siblings that know nothing of each other: only their opener knows both. */
const adapters = ['source/kafka/', 'source/embedded/', 'source/jetstream/']

/** The one place of each package, so that another one can take its part by changing that place alone. */
const owners: Readonly<Record<string, string>> = {
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
const generatedTypes = ['long']

function allBut(...names: string[]): string[] {
  const all = ['base', 'subject', 'wire', 'routing', 'telemetry', 'log', 'source', 'publish', 'fanout', 'session']
  return [...all, 'serving', 'edge', 'admin', 'client', 'cli', 'config', 'gateway.ts'].filter(
    (name) => !names.includes(name),
  )
}

interface Import {
  /** Path below src. */
  readonly from: string
  /** As written. */
  readonly what: string
}

/** Statements stand at the start of a line (the formatter's doing); type queries and dynamic imports anywhere. */
const statement = /^(?:import|export)\b(?:[^'"`;()=]*?\bfrom)?\s*['"]([^'"]+)['"]/gm
const call = /^(?!\s*(?:\*|\/\/)).*?\b(?:import|require)\((.*)/gm

function importsOf(from: string, text: string): Import[] {
  const found = [...text.matchAll(statement)].map(([, what]) => ({ from, what: what! }))
  for (const [line] of text.matchAll(call)) {
    for (const [, argument] of line.matchAll(/(?<![.#\w])(?:import|require)\(\s*([^)]*)/g)) {
      const literal = /^['"]([^'"]+)['"]/.exec(argument!)
      found.push({ from, what: literal?.[1] ?? `(${argument!.trim()})` })
    }
  }
  return found
}

/** The file below src that a relative import means. */
const target = ({ from, what }: Import): string => posix.join(posix.dirname(from), what)
const layerOf = (file: string): string => file.split('/')[0]!
const packageOf = (what: string): string => what.split('/', what.startsWith('@') ? 2 : 1).join('/')
const within = (file: string, place: string): boolean => file.startsWith(place)

/** Why the import is not allowed; undefined where it is. */
function fault(each: Import): string | undefined {
  const { what } = each
  if (what.startsWith('(')) return 'write the path as a literal, so that this test can judge it'
  if (what.startsWith('.')) return folderFault(each)
  return what.startsWith('node:') ? nodeFault(each) : packageFault(each)
}

function folderFault(each: Import): string | undefined {
  const own = layerOf(each.from)
  const to = target(each)
  const layer = layers[own]
  if (layer === undefined) return `src/${own} has no row in the table of layers: give it one`
  if (to.startsWith('../')) return 'it is outside of src'
  const sibling = adapters.find((place) => within(to, place))
  if (sibling !== undefined && adapters.some((place) => place !== sibling && within(each.from, place))) {
    return 'adapters of the broker contract know nothing of each other'
  }
  const places = [layerOf(to), to, `**/${posix.basename(to)}`]
  if (layerOf(to) === own || places.some((place) => layer.may.includes(place))) return undefined
  return `${own} may import only: ${layer.may.join(', ') || 'nothing'}`
}

function nodeFault({ from }: Import): string | undefined {
  const { browser } = layers[layerOf(from)] ?? {}
  return browser === undefined || browser.includes(from) ? undefined : `${layerOf(from)} runs in browsers too`
}

function packageFault({ from, what }: Import): string | undefined {
  const name = packageOf(what)
  if (generatedTypes.includes(name) && within(from, 'wire/generated/')) return undefined
  const owner = owners[name]
  if (owner === undefined) return `the package ${name} has no owner: name the one place that may use it`
  return within(from, owner) ? undefined : `only ${owner} uses the package ${name}`
}

const faults = (imports: readonly Import[]): string[] =>
  imports.flatMap((each) => {
    const why = fault(each)
    return why === undefined ? [] : [`src/${each.from} imports ${each.what}: ${why}`]
  })

/** One import cycle, as a path of files; undefined where there is none. */
function cycle(imports: readonly Import[]): string[] | undefined {
  const next = Map.groupBy(
    imports.filter(({ what }) => what.startsWith('.')),
    ({ from }) => from,
  )
  const done = new Set<string>()
  const path: string[] = []
  const visit = (file: string): string[] | undefined => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file]
    if (done.has(file)) return undefined
    path.push(file)
    for (const each of next.get(file) ?? []) {
      const found = visit(target(each))
      if (found !== undefined) return found
    }
    path.pop()
    done.add(file)
    return undefined
  }
  for (const file of next.keys()) {
    const found = visit(file)
    if (found !== undefined) return found
  }
  return undefined
}

const src = new URL('../src/', import.meta.url)
const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((file) => /\.(ts|js)$/.test(file))
const imports = files.flatMap((file) => importsOf(file, readFileSync(new URL(file, src), 'utf8')))

test('each file imports only what its layer allows', () => {
  assert.deepEqual(faults(imports), [])
})

test('no files import each other in a cycle, types included', () => {
  assert.equal(cycle(imports)?.join(' -> '), undefined)
})

test('each package that the sources use is a dependency, and each dependency is used', () => {
  const { dependencies } = JSON.parse(readFileSync(new URL('../package.json', src), 'utf8'))
  const used = imports.map(({ what }) => what).filter((what) => !/^(\.|node:|\()/.test(what))
  const packages = new Set(used.map(packageOf).filter((name) => !generatedTypes.includes(name)))
  assert.deepEqual([...packages].sort(), Object.keys(dependencies).sort())
})

test('no folder, file or import of the sources is overlooked', () => {
  for (const entry of readdirSync(src, { withFileTypes: true })) {
    const seen = files.filter((file) => layerOf(file) === entry.name)
    assert.ok(seen.length > 0, `src/${entry.name} has no source that this test reads`)
    assert.ok(layers[entry.name] !== undefined, `src/${entry.name} has no row in the table of layers`)
  }
  for (const name of Object.keys(layers)) {
    assert.ok(
      files.some((file) => layerOf(file) === name),
      `the row ${name} is about nothing in src`,
    )
    const inside = imports.filter(({ from }) => layerOf(from) === name)
    assert.ok(inside.length > 0, `no import was found in src/${name}: has the way of writing them changed?`)
  }
  for (const each of imports) {
    if (!each.what.startsWith('.')) continue
    const named = target(each)
    assert.ok(files.includes(named), `src/${each.from} imports ${each.what}, which was not read`)
  }
  const paths = imports.map(({ from, what }) => `${from} ${what}`)
  for (const known of [
    'cli/main.ts ./serve.ts',
    'source/open.ts ./kafka/source.ts',
    'edge/listener.ts uWebSockets.js',
  ]) {
    assert.ok(paths.includes(known), `the import "${known}" was not found: has it moved, or is it not read?`)
  }
})

test('what serves a stream is put together in one place, whether a gateway, the tests or the simulation runs it', () => {
  const root = new URL('..', src)
  const builds = /\bnew (?:Feeds|StreamFeed|Sessions|AheadWatch)\(/
  const builders = ['src', 'test', 'scripts'].flatMap((folder) =>
    readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.ts'))
      .map((file) => `${folder}/${file}`)
      .filter((file) => builds.test(readFileSync(new URL(file, root), 'utf8'))),
  )
  assert.deepEqual(builders, ['src/serving/serving.ts'])
})

test('an import that breaks a rule is found in whichever form it is written', () => {
  const of = (from: string, text: string) => faults(importsOf(from, text)).length
  assert.equal(of('log/window.ts', "import { Hub } from '../fanout/hub.ts'"), 1)
  assert.equal(of('log/window.ts', "import type { Hub } from '../fanout/hub.ts'"), 1)
  assert.equal(of('log/window.ts', "import {\n  type Hub,\n  other,\n} from '../fanout/hub.ts'"), 1)
  assert.equal(of('log/window.ts', "import '../fanout/hub.ts'"), 1)
  assert.equal(of('log/window.ts', "export { Hub } from '../fanout/hub.ts'"), 1)
  assert.equal(of('log/window.ts', "export * from '../fanout/hub.ts'"), 1)
  assert.equal(of('log/window.ts', "export type * as hub from '../fanout/hub.ts'"), 1)
  assert.equal(of('log/window.ts', "type Hub = typeof import('../fanout/hub.ts')"), 1)
  assert.equal(
    of('log/window.ts', "  const a = await import('../fanout/hub.ts'), b = await import('../edge/edge.ts')"),
    2,
  )
  assert.equal(of('log/window.ts', "import hub = require('../fanout/hub.ts')"), 1)
  assert.equal(of('log/window.ts', '  await import(path)'), 1)
})

test('folders, contracts, adapters, packages and the browser each have their rule', () => {
  const of = (from: string, what: string) => faults([{ from, what }])
  assert.deepEqual(of('log/window.ts', '../fanout/hub.ts'), [
    'src/log/window.ts imports ../fanout/hub.ts: log may import only: base, subject',
  ])
  assert.deepEqual(of('fanout/hub.ts', '../source/source.ts'), [])
  assert.equal(of('fanout/hub.ts', '../source/open.ts').length, 1)
  assert.equal(of('source/kafka/tail.ts', '../embedded/tail.ts').length, 1)
  assert.deepEqual(of('source/open.ts', './kafka/source.ts'), [])
  assert.deepEqual(of('source/kafka/source.ts', '../../log/record.ts'), [])
  assert.equal(of('source/kafka/source.ts', '../../log/window.ts').length, 1)
  assert.equal(of('session/host.ts', '../config/config.ts').length, 1)
  assert.deepEqual(of('config/config.ts', '../source/kafka/options.ts'), [])
  assert.equal(of('config/config.ts', '../edge/edge.ts').length, 1)
  assert.equal(of('serving/serving.ts', '../edge/edge.ts').length, 1)
  assert.equal(of('gateway.ts', './cli/main.ts').length, 1)
  assert.equal(of('gateway.ts', './session/host.ts').length, 1)
  assert.deepEqual(of('edge/listener.ts', 'uWebSockets.js'), [])
  assert.equal(of('edge/websocket.ts', 'uWebSockets.js').length, 1)
  assert.equal(of('edge/edge.ts', 'left-pad').length, 1)
  assert.equal(of('wire/json.ts', 'node:fs').length, 1)
  assert.deepEqual(of('edge/page.ts', 'node:fs'), [])
  assert.deepEqual(of('client/file-store.ts', 'node:fs'), [])
  assert.equal(of('client/store.ts', 'node:fs').length, 1)
  assert.equal(of('wire/json.ts', '../../scripts/proto.ts').length, 1)
  assert.equal(of('newcomer/file.ts', '../base/clock.ts').length, 1)
})

test('a cycle is found, and a diamond is none', () => {
  const edges = (...pairs: [string, string][]) => pairs.map(([from, what]) => ({ from, what: `./${what}` }))
  assert.deepEqual(cycle(edges(['a', 'b'], ['b', 'c'], ['c', 'b'])), ['b', 'c', 'b'])
  assert.equal(cycle(edges(['a', 'b'], ['a', 'c'], ['b', 'd'], ['c', 'd'])), undefined)
})
