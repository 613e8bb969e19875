import assert from 'node:assert/strict'
import { type ExecFileOptions, execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { GatewayProcess } from '../support/gateway-process.ts'

/** The package as its users have it: packed, installed into an empty project, type-checked and run there. */

const root = fileURLToPath(new URL('../..', import.meta.url))
const tsc = join(root, 'node_modules/.bin/tsc')
const dir = mkdtempSync(join(tmpdir(), 'carillon-pack-'))
const project = join(dir, 'project')
const gateway = new GatewayProcess({ port: 19_530, dir, config: { broker: `embedded:${join(dir, 'log')}` } })

async function run(program: string, args: readonly string[], options: ExecFileOptions = {}): Promise<string> {
  // The project's Node is the one that runs this; npm's own settings of an outer run are not the project's.
  const own = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name))
  const env = { ...Object.fromEntries(own), PATH: `${dirname(process.execPath)}:${process.env.PATH}` }
  const { stdout } = await promisify(execFile)(program, args, { timeout: 120_000, ...options, env, encoding: 'utf8' })
  return stdout
}

const sample = `
import { connect, type Policy, type ReceivedGap, type State } from 'carillon/client'
const policy: Policy = 'lossless'
import { fileStore } from 'carillon/client/node'
import { protoCodec } from 'carillon/client/proto'

const names: string[] = []
const client = connect('http://127.0.0.1:19530', {
  store: fileStore('positions.json'),
  onState: ({ name }: State) => names.push(name),
})
const results = await client.publish([{ subject: 'packed.a', data: { n: 1 } }, { subject: 'packed.a', data: { n: 2 } }])
let sum = 0
for await (const item of client.subscribe<{ n: number }>('packed.>', { after: 'earliest' })) {
  if (item.kind === 'event') sum += item.json().n
  if (sum === 3) break
}
await client.close()
await using proto = connect('http://127.0.0.1:19530', { codec: protoCodec })
for await (const item of proto.subscribe('packed.>', { last: 2, policy: 'latest' })) {
  console.log(JSON.stringify([results.length, sum, item.kind === 'event' && item.text(), names.includes('live')]))
  break
}
// @ts-expect-error who is told of events is told of gaps
const wrong = () => client.subscribe('packed.a', { onEvent: () => {} })
// @ts-expect-error the policies are lossless and latest
const unknownPolicy = () => client.subscribe('packed.a', { policy: 'newest' })
// @ts-expect-error a number
const textual = () => client.subscribe('packed.a', { last: '2' })
const counted = (gap: ReceivedGap): number | undefined => gap.n
`

before(async () => {
  gateway.start()
  await gateway.becomesReady()
})
after(async () => {
  await gateway.end()
  rmSync(dir, { recursive: true })
})

test('the package is packed, installed into an empty project, type-checked and run there', async () => {
  // `.npmrc` ignores the scripts of packages; this one is our own.
  const packed = await run('npm', ['pack', '--ignore-scripts=false', '--json', '--pack-destination', dir], {
    cwd: root,
  })
  const [{ filename }] = JSON.parse(packed.slice(packed.indexOf('['))) as [{ filename: string }]
  await run('mkdir', [project])
  writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  const quiet = ['--omit=optional', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund']
  await run('npm', ['install', ...quiet, join(dir, filename)], { cwd: project })
  writeFileSync(join(project, 'sample.mts'), sample)
  const strict = ['--strict', '--target', 'es2022', '--lib', 'es2022,dom', '--types', '']
  // Declarations are checked as well: no skipLibCheck.
  await run(tsc, [...strict, '--module', 'esnext', '--moduleResolution', 'bundler', '--noEmit', 'sample.mts'], {
    cwd: project,
  })
  await run(tsc, [...strict, '--module', 'nodenext', 'sample.mts'], { cwd: project })
  const printed = await run(process.execPath, ['sample.mjs'], { cwd: project })
  assert.deepEqual(JSON.parse(printed), [2, 3, '{"n":1}', true])
})
