import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import test from 'node:test'
import {
  cycle,
  type Edge,
  faults,
  filesOf,
  type Import,
  importsOf,
  packageOf,
  roomOf,
  rooms,
  roomsOf,
  target,
  unused,
} from './architecture/imports.ts'
import { generatedTypes, owners } from './architecture/layers.ts'
import { excepted, realTime, unneeded } from './architecture/real-time.ts'
import { booleanParameters } from './architecture/signatures.ts'

const root = new URL('../', import.meta.url)
const read = (file: string): string => readFileSync(new URL(file, root), 'utf8')
const files = ['src', 'test', 'scripts'].flatMap((folder) =>
  readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(ts|js)$/.test(file))
    .map((file) => `${folder}/${file}`),
)
const imports = files.flatMap((file) => importsOf(file, read(file)))
const importsOfSrc = imports.filter(({ from }) => from.startsWith('src/'))

test('each file imports only what its room may', () => {
  assert.deepEqual(faults(imports), [])
})

test('no room has a permission that it does not use', () => {
  assert.deepEqual(unused(imports), [])
})

test('no files import each other in a cycle, types included', () => {
  assert.equal(cycle(filesOf(imports))?.join(' -> '), undefined)
})

test('no rooms import each other in a cycle', () => {
  assert.equal(cycle(roomsOf(imports))?.join(' -> '), undefined)
})

test('each package that the sources use is a dependency, and each dependency is used and has an owner', () => {
  const { dependencies } = JSON.parse(read('package.json'))
  const used = importsOfSrc.map(({ what }) => what).filter((what) => !/^(\.|node:|\()/.test(what))
  const packages = new Set(used.map(packageOf).filter((name) => !generatedTypes.includes(name)))
  assert.deepEqual([...packages].sort(), Object.keys(dependencies).sort())
  assert.deepEqual(Object.keys(owners).sort(), Object.keys(dependencies).sort())
})

test('no folder, file or import is overlooked', () => {
  for (const file of files) assert.ok(roomOf(file) !== undefined, `no row in the tables of rooms is about ${file}`)
  for (const room of rooms.keys()) {
    assert.ok(
      files.some((file) => roomOf(file) === room),
      `the row ${room} is about no file`,
    )
    const inside = files.filter((file) => roomOf(file) === room && /^import /m.test(read(file)))
    const found = imports.filter(({ from }) => roomOf(from) === room)
    assert.equal(
      new Set(found.map(({ from }) => from)).size >= inside.length,
      true,
      `imports in ${room} were not found`,
    )
  }
  for (const [from, to] of filesOf(imports)) assert.ok(files.includes(to), `${from} imports ${to}, which was not read`)
  const written = imports.map(({ from, what }) => `${from} ${what}`)
  for (const known of [
    'src/cli/commands.ts ./serve.ts',
    'src/source/open.ts ./kafka/source.ts',
    'src/edge/listener.ts uWebSockets.js',
    'src/bench/carillon/target.ts ./clients.ts',
    'scripts/simulate.ts ../test/simulation/history.ts',
    'test/session/live.test.ts node:test',
  ]) {
    assert.ok(written.includes(known), `the import "${known}" was not found: has it moved, or is it not read?`)
  }
})

test('what serves a stream is put together in one place, whether a gateway, the tests or the simulation runs it', () => {
  const builds = /\bnew (?:Feeds|StreamFeed|Sessions|ParkedWatch)\(/
  const builders = files.filter((file) => file.endsWith('.ts') && builds.test(read(file)))
  assert.deepEqual(builders, ['src/serving/serving.ts'])
})

test('real time comes through the injected clock, in the files that may have none of their own', () => {
  const sources = new Map(files.filter((file) => file.startsWith('src/')).map((file) => [file, read(file)]))
  const exceptions = excepted(JSON.parse(read('biome.json')).overrides)
  assert.ok(exceptions.includes('src/base/clock.ts') && exceptions.includes('src/cli/'))
  assert.deepEqual(realTime(sources, exceptions), [])
  assert.deepEqual(unneeded(sources, exceptions), [])
})

test('real time is found in whichever form it is written, and nowhere else', () => {
  const of = (text: string) =>
    realTime(new Map([['src/log/window.ts', text]]), ['src/base/clock.ts', 'src/cli/']).length
  assert.equal(of('const now = Date.now()'), 1)
  assert.equal(of('const now = new Date()'), 1)
  assert.equal(of('const now = process.hrtime.bigint()'), 1)
  assert.equal(of("import { setTimeout } from 'node:timers/promises'"), 1)
  assert.equal(of("import { performance } from 'node:perf_hooks'"), 1)
  assert.equal(of('const day = new Date(clock.nowUs() / 1000)'), 0)
  assert.deepEqual(realTime(new Map([['src/cli/main.ts', 'Date.now()']]), ['src/cli/']), [])
  assert.deepEqual(unneeded(new Map([['src/telemetry/process.ts', 'performance']]), ['src/cli/']), ['src/cli/'])
})

test('no parameter of the sources is a boolean that a call would give without its name', () => {
  const found = files.filter((file) => /^src\/.*\.ts$/.test(file) && booleanParameters(read(file)).length > 0)
  assert.deepEqual(found, [])
})

test('a boolean parameter is found in whichever signature it is, and no other boolean', () => {
  assert.deepEqual(booleanParameters('function a(b: number, c: boolean) {}'), ['c'])
  assert.deepEqual(booleanParameters('  method(\n    b?: boolean,\n    c = true,\n  ): void {'), ['b', 'c'])
  assert.deepEqual(booleanParameters('constructor({ a }: { a: number }, readonly b: boolean | undefined) {}'), ['b'])
  assert.deepEqual(booleanParameters("type A = (text: string, isLast: boolean) => 'x'"), ['isLast'])
  assert.deepEqual(booleanParameters('function a({ b = false }: { readonly b?: boolean }): boolean {}'), [])
  assert.deepEqual(booleanParameters('interface A {\n  readonly b: boolean\n  c(d: number): boolean\n}'), [])
  assert.deepEqual(booleanParameters('a((b): boolean => true, [c: boolean]) // (d: boolean)'), [])
  assert.deepEqual(booleanParameters('for (let done = false; !done; done = a()) b(")", c)'), [])
})

test('an import that breaks a rule is found in whichever form it is written', () => {
  // `call` stands for the word before a parenthesis, which this file must not have itself.
  const of = (text: string) => faults(importsOf('src/log/window.ts', text.replaceAll('call(', 'import('))).length
  assert.equal(of("import { Hub } from '../fanout/hub.ts'"), 1)
  assert.equal(of("import type { Hub } from '../fanout/hub.ts'"), 1)
  assert.equal(of("import {\n  type Hub,\n  other,\n} from '../fanout/hub.ts'"), 1)
  assert.equal(of("import '../fanout/hub.ts'"), 1)
  assert.equal(of("export { Hub } from '../fanout/hub.ts'"), 1)
  assert.equal(of("export * from '../fanout/hub.ts'"), 1)
  assert.equal(of("export type * as hub from '../fanout/hub.ts'"), 1)
  assert.equal(of("type Hub = typeof call('../fanout/hub.ts')"), 1)
  assert.equal(of("  const a = await call('../fanout/hub.ts'), b = await call('../edge/edge.ts')"), 2)
  assert.equal(of(`import hub = ${'require'}('../fanout/hub.ts')`), 1)
  assert.equal(of('  await call(path)'), 1)
  assert.equal(of("new Child(new URL('../fanout/hub.ts', import.meta.url))"), 1)
})

test('rooms, contracts, adapters, packages and the browser each have their rule', () => {
  const of = (from: string, what: string) => faults([{ from, what }])
  assert.deepEqual(of('src/log/window.ts', '../fanout/hub.ts'), [
    'src/log/window.ts imports ../fanout/hub.ts: src/log may import only: src/base',
  ])
  assert.deepEqual(of('src/fanout/hub.ts', '../source/source.ts'), [])
  assert.equal(of('src/fanout/hub.ts', '../source/open.ts').length, 1)
  assert.equal(of('src/source/kafka/tail.ts', '../embedded/tail.ts').length, 1)
  assert.deepEqual(of('src/source/open.ts', './kafka/source.ts'), [])
  assert.deepEqual(of('src/source/kafka/source.ts', '../../log/record.ts'), [])
  assert.equal(of('src/source/kafka/source.ts', '../../log/window.ts').length, 1)
  assert.equal(of('src/session/sessions.ts', '../config/config.ts').length, 1)
  assert.deepEqual(of('src/config/config.ts', '../source/kafka/options.ts'), [])
  assert.equal(of('src/config/config.ts', '../edge/edge.ts').length, 1)
  assert.equal(of('src/serving/serving.ts', '../edge/edge.ts').length, 1)
  assert.equal(of('src/gateway/gateway.ts', '../cli/main.ts').length, 1)
  assert.equal(of('src/gateway/gateway.ts', '../session/sessions.ts').length, 1)
  assert.deepEqual(of('src/edge/listener.ts', 'uWebSockets.js'), [])
  assert.equal(of('src/edge/websocket.ts', 'uWebSockets.js').length, 1)
  assert.equal(of('src/edge/edge.ts', 'left-pad').length, 1)
  assert.equal(of('src/wire/json.ts', 'node:fs').length, 1)
  assert.deepEqual(of('src/edge/page.ts', 'node:fs'), [])
  assert.deepEqual(of('src/client/file-store.ts', 'node:fs'), [])
  assert.equal(of('src/client/store.ts', 'node:fs').length, 1)
  assert.equal(of('src/newcomer/file.ts', '../base/clock.ts').length, 1)
})

test('a room in a room has a rule of its own', () => {
  const of = (from: string, what: string) => faults([{ from, what }]).length
  assert.equal(of('src/bench/bench.ts', './load/crowd.ts'), 0)
  assert.equal(of('src/bench/load/crowd.ts', '../bench.ts'), 1)
  assert.equal(of('src/bench/load/crowd.ts', '../carillon/target.ts'), 1)
})

test('scripts import tests, tests import no script, and sources neither', () => {
  const of = (from: string, what: string) => faults([{ from, what }]).length
  assert.equal(of('scripts/kafka.ts', '../test/brokers/kafka.ts'), 0)
  assert.equal(of('test/brokers/kafka.ts', '../../scripts/kafka.ts'), 1)
  assert.equal(of('test/log/window.test.ts', '../../src/source/kafka/source.ts'), 0)
  assert.equal(of('test/log/window.test.ts', '../real/support/steady.ts'), 1)
  assert.equal(of('src/wire/json.ts', '../../scripts/proto.ts'), 1)
  assert.equal(of('src/log/window.ts', '../../test/model/broker.ts'), 1)
  assert.equal(of('test/newcomer/file.ts', '../model/broker.ts'), 1)
})

test('a permission is used by an import of what it allows, and by no other', () => {
  const before = unused(imports)
  const without = (left: (each: Import) => boolean) =>
    unused(imports.filter((each) => !left(each))).filter((each) => !before.includes(each))
  const between = (room: string, other: string) => (each: Import) =>
    roomOf(each.from) === room && roomOf(target(each)) === other
  assert.deepEqual(without(between('src/routing', 'src/subject')), ['src/routing may import src/subject, and does not'])
  assert.deepEqual(without(between('scripts', 'test/soak')), ['scripts may import test/soak, and does not'])
  const store = 'src/client/file-store.ts'
  assert.deepEqual(
    without(({ from }) => from === store),
    [`${store} may use Node, and does not`],
  )
})

test('a cycle is found, and a diamond is none', () => {
  const edges = (...pairs: Edge[]) => pairs
  assert.deepEqual(cycle(edges(['a', 'b'], ['b', 'c'], ['c', 'b'])), ['b', 'c', 'b'])
  assert.equal(cycle(edges(['a', 'b'], ['a', 'c'], ['b', 'd'], ['c', 'd'])), undefined)
})
