import assert from 'node:assert/strict'
import { type ExecFileOptions, execFile, execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { transform } from 'esbuild'
import { listensText, patienceMs } from '../support/gateway-process.ts'
import { ask } from '../support/http.ts'
import { until } from '../support/until.ts'
import { Run } from './support/run.ts'

/** The two packages as their users have them: packed, installed into an empty project, type-checked and run there. */

const root = fileURLToPath(new URL('../..', import.meta.url))
const tsc = join(root, 'node_modules/.bin/tsc')
const dir = mkdtempSync(join(tmpdir(), 'carillon-packages-'))
const project = join(dir, 'project')
const site = join(dir, 'site')
const port = 19_530
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

async function run(program: string, args: readonly string[], options: ExecFileOptions = {}): Promise<string> {
  // The project's Node is the one that runs this; npm's own settings of an outer run are not the project's.
  const own = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))
  const env = { ...Object.fromEntries(own), PATH: `${dirname(process.execPath)}:${process.env.PATH}` }
  const { stdout } = await promisify(execFile)(program, args, { timeout: 120_000, ...options, env, encoding: 'utf8' })
  return stdout
}

/** All that is installed in a folder, bytes. */
function bytesIn(folder: string): number {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => statSync(join(folder, name)))
  return files.filter((file) => file.isFile()).reduce((sum, { size }) => sum + size, 0)
}

function namesOf(folder: string, pattern: RegExp): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => pattern.test(name))
}

/** An empty folder in which a package of this checkout is as installed as npm would have it. */
function link(folder: string, names: readonly string[]): void {
  for (const name of names) {
    const place = join(folder, 'node_modules', name)
    mkdirSync(dirname(place), { recursive: true })
    symlinkSync(join(root, 'node_modules', name), place)
  }
}

const sample = `
import { connect, type Policy, type ReceivedGap, type State } from 'carillon-client'
const policy: Policy = 'lossless'
import { fileStore } from 'carillon-client/node'

const ways = new Set<string>()
const client = connect('http://127.0.0.1:${port}', {
  store: fileStore(process.argv[2] + '.json'),
  onState: (state: State) => {
    if (state.name === 'connecting') ways.add(state.transport)
  },
})
declare const process: { argv: string[] }
const subject = 'packed.' + process.argv[2]
const results = await client.publish([{ subject, data: { n: 1 } }, { subject, data: { n: 2 } }])
let sum = 0
for await (const item of client.subscribe<{ n: number }>(subject, { after: 'earliest' })) {
  if (item.kind === 'event') sum += item.json().n
  if (sum === 3) break
}
await client.close()
console.log(JSON.stringify([results.length, sum, ...ways]))
// @ts-expect-error who is told of events is told of gaps
const wrong = () => client.subscribe('packed.a', { onEvent: () => {} })
// @ts-expect-error the policies are lossless and latest
const unknownPolicy = () => client.subscribe('packed.a', { policy: 'newest' })
// @ts-expect-error a number
const textual = () => client.subscribe('packed.a', { last: '2' })
const counted = (gap: ReceivedGap): number | undefined => gap.n
`

const withProto = `
import { connect } from 'carillon-client'
import { protoCodec } from 'carillon-client/proto'

await using client = connect('http://127.0.0.1:${port}', { codec: protoCodec })
await client.publish({ subject: 'proto.a', text: 'x' })
for await (const item of client.subscribe('proto.a', { last: 1, policy: 'latest' })) {
  console.log(item.kind === 'event' && item.text())
  break
}
`

let gateway: Run

before(async () => {
  await run(process.execPath, ['--disable-warning=ExperimentalWarning', 'scripts/pack.ts', dir], { cwd: root })
  mkdirSync(join(site, 'node_modules/carillon'), { recursive: true })
  const archive = join(dir, `carillon-${version}.tgz`)
  await run('tar', ['-xzf', archive, '--strip-components=1', '-C', join(site, 'node_modules/carillon')])
  const { dependencies, optionalDependencies } = JSON.parse(
    readFileSync(join(site, 'node_modules/carillon/package.json'), 'utf8'),
  )
  const wanted = Object.keys({ ...dependencies, ...optionalDependencies })
  link(
    site,
    wanted.filter((name) => existsSync(join(root, 'node_modules', name))),
  )

  const listeners = ['--listen', `127.0.0.1:${port}`, '--admin', `127.0.0.1:${port + 1}`]
  gateway = new Run(
    ['serve', '--broker', `embedded:${join(dir, 'log')}`, ...listeners],
    site,
    {},
    { program: carillon },
  )
  const isReady = async () => gateway.stdout.includes(listensText) && (await ask(port + 1, '/readyz')).status === 200
  await until('the packed gateway is ready', patienceMs, isReady)

  mkdirSync(project)
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const quiet = ['--offline', '--ignore-scripts', '--no-audit', '--no-fund']
  await run('npm', ['install', ...quiet, join(dir, `carillon-client-${version}.tgz`)], { cwd: project })
})
after(async () => {
  gateway.child.kill()
  await gateway.ended
  rmSync(dir, { recursive: true })
})

const carillon = join(site, 'node_modules/carillon/bin/carillon')

test('the gateway runs as an installed package, on the Node that is installed beside it', async () => {
  const said = await run(carillon, ['--version'])
  assert.equal(said.trim(), version)
  const position = await run(carillon, ['publish', '--gateway', `http://127.0.0.1:${port}`, 'site.a', 'x'])
  assert.match(position, /^events \d@0 /)
})

test('what the gateway starts as processes of their own is in its package under the name that it has there', () => {
  const src = join(site, 'node_modules/carillon/src')
  const started = namesOf(src, /\.js$/).flatMap((name) => {
    const text = readFileSync(join(src, name), 'utf8')
    return [...text.matchAll(/new URL\('([^']+)', import\.meta\.url\)/g)].map(([, path]) =>
      join(src, dirname(name), path!),
    )
  })
  assert.ok(started.length > 5, started.join())
  assert.deepEqual(
    started.filter((path) => !existsSync(path)),
    [],
  )
  assert.deepEqual(
    namesOf(src, /\.ts$/).filter((name) => !name.endsWith('.d.ts')),
    [],
  )
})

test('the client installs without the registry, brings nothing else, and takes below 600 kB', (t) => {
  const installed = readdirSync(join(project, 'node_modules')).filter((name) => !name.startsWith('.'))
  assert.deepEqual(installed, ['carillon-client'])
  const bytes = bytesIn(join(project, 'node_modules/carillon-client'))
  const packed = statSync(join(dir, `carillon-client-${version}.tgz`)).size
  t.diagnostic(`${bytes} bytes installed, ${packed} packed`)
  assert.ok(bytes < 600_000, `${bytes} bytes`)
})

test("the client's syntax is that of the browsers that docs/sdk.md names", async () => {
  const table = readFileSync(join(root, 'docs/sdk.md'), 'utf8').matchAll(
    /^\| (Chrome|Firefox|Safari|Node)[^|]*\| ([\d.]+) \|/gm,
  )
  const target = [...table].map(([, name, oldest]) => name!.toLowerCase() + oldest)
  assert.equal(target.length, 4, target.join())
  const folder = join(project, 'node_modules/carillon-client')
  const names = namesOf(folder, /\.js$/)
  assert.ok(names.includes('worker.js'), names.join())
  for (const name of names) {
    const code = readFileSync(join(folder, name), 'utf8')
    const written = await transform(code, { target: 'esnext', format: 'esm' })
    // What one of them does not know would be written in older words.
    const lowered = await transform(code, { target, format: 'esm' })
    assert.equal(lowered.code, written.code, name)
  }
})

const strict = ['--strict', '--target', 'es2022', '--lib', 'es2022,dom,esnext.disposable', '--types', '']

/** Declarations are checked as well: no skipLibCheck. */
async function compile(name: string, code: string): Promise<void> {
  writeFileSync(join(project, `${name}.mts`), code)
  const bundled = ['--module', 'esnext', '--moduleResolution', 'bundler', '--noEmit']
  await run(tsc, [...strict, ...bundled, `${name}.mts`], { cwd: project })
  await run(tsc, [...strict, '--module', 'nodenext', `${name}.mts`], { cwd: project })
}

/** A Node of another major version on the PATH, as `npm` may have. */
function nodeOf(major: number): string | undefined {
  const found = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'node'))
  return found
    .filter((path) => existsSync(path))
    .find((path) => {
      return execFileSync(path, ['--version'], { encoding: 'utf8' }).startsWith(`v${major}.`)
    })
}

const node20 = nodeOf(20)

test('the client is type-checked in a project, and runs there without protobufjs', async () => {
  await compile('sample', sample)
  const printed = await run(process.execPath, ['sample.mjs', 'node'], { cwd: project })
  assert.deepEqual(JSON.parse(printed), [2, 3, 'websocket'])
})

test('where there is no WebSocket the client uses SSE at once', async () => {
  const printed = await run(process.execPath, ['--no-experimental-websocket', 'sample.mjs', 'without'], {
    cwd: project,
  })
  assert.deepEqual(JSON.parse(printed), [2, 3, 'sse'])
})

test('the client runs on Node 20', { skip: node20 === undefined && 'no Node 20 on the PATH' }, async () => {
  const printed = await run(node20!, ['sample.mjs', 'node20'], { cwd: project })
  assert.deepEqual(JSON.parse(printed), [2, 3, 'sse'])
})

test("the worker's script is one file that a page's server can serve as it is", async () => {
  const name = await run(process.execPath, ['-p', "require.resolve('carillon-client/worker')"], { cwd: project })
  const code = readFileSync(name.trim(), 'utf8')
  assert.doesNotMatch(code, /\bimport\b|\bexport\b|\brequire\b/)
  assert.match(code, /onconnect/)
})

test('with protobufjs beside it the client speaks protobuf', async () => {
  link(project, ['protobufjs'])
  await compile('proto', withProto)
  assert.equal((await run(process.execPath, ['proto.mjs'], { cwd: project })).trim(), 'x')
})
