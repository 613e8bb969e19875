/**
 * Builds what users install, JavaScript because Node strips no types inside node_modules: `carillon`, the gateway and its command line, and
 * `carillon-client`, the SDK, which has no dependencies. Writes a folder and a .tgz of each into dist/, or into the folder that is named.
 */
import { execFileSync } from 'node:child_process'
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Argument } from 'commander'
import { bundle } from '../test/client/bundle.ts'
import { exitCodes, runScript, script } from '../test/command/command.ts'

const command = script(
  'pack',
  'Writes carillon-VERSION.tgz and carillon-client-VERSION.tgz, which users install.',
).addArgument(new Argument('[folder]', 'folder for them').default('dist'))
const root = fileURLToPath(new URL('..', import.meta.url))
const own = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const { version, license, type, engines, description, dependencies, optionalDependencies } = own

/** Compiles what `project` names into `folder`, with the generated code, which is JavaScript already. */
function compile(project: string, folder: string): void {
  const tsc = join(root, 'node_modules/.bin/tsc')
  execFileSync(process.execPath, [tsc, '-p', join(root, project), '--outDir', folder], { stdio: 'inherit' })
  cpSync(join(root, 'src/wire/generated'), join(folder, 'wire/generated'), { recursive: true })
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) {
    if (name.endsWith('.d.ts') || name.endsWith('.js')) rewrite(join(folder, name))
  }
}

/** The compiler rewrites the extensions of imports in code, but in no declaration, and not those of other files that are started. */
function rewrite(file: string): void {
  const text = readFileSync(file, 'utf8')
  const wanted = file.endsWith('.d.ts')
    ? text.replaceAll(/(['"]\.{1,2}\/[^'"]+)\.ts(?=['"])/g, '$1.js')
    : text.replaceAll(/(new URL\('[^']+)\.ts(?=', import\.meta\.url\))/g, '$1.js')
  if (wanted !== text) writeFileSync(file, wanted)
}

/** `[text](page.md#heading)` as its text: the package has this one page only. */
const withoutPages = (text: string): string => text.replaceAll(/\[([^\]]+)\]\((?!https?:|#)[^)]+\)/g, '$1')

async function client(folder: string): Promise<void> {
  compile('tsconfig.sdk.json', join(folder, 'lib'))
  // One file without imports: pages' servers serve it as it is.
  writeFileSync(join(folder, 'worker.js'), (await bundle('worker.ts', 'iife')).code)
  const entry = (name: string) => ({ types: `./lib/client/${name}.d.ts`, default: `./lib/client/${name}.js` })
  describePackage(folder, {
    name: 'carillon-client',
    version,
    description:
      'Client of Carillon gateways for browsers and Node: follows subjects over WebSocket, SSE and long-poll, each event once',
    license,
    type,
    engines,
    exports: {
      '.': entry('sdk'),
      './node': entry('file-store'),
      './proto': entry('proto-codec'),
      './worker': './worker.js',
      './package.json': './package.json',
    },
    peerDependencies: { protobufjs: `^${dependencies.protobufjs}` },
    peerDependenciesMeta: { protobufjs: { optional: true } },
  })
  writeFileSync(join(folder, 'README.md'), withoutPages(readFileSync(join(root, 'docs/sdk.md'), 'utf8')))
  cpSync(join(root, 'LICENSE'), join(folder, 'LICENSE'))
}

function gateway(folder: string): void {
  compile('tsconfig.pack.json', join(folder, 'src'))
  for (const each of [
    'bin',
    'proto',
    'deploy',
    'docs',
    'examples',
    'README.md',
    'ARCHITECTURE.md',
    'CHANGELOG.md',
    'LICENSE',
  ]) {
    cpSync(join(root, each), join(folder, each), { recursive: true })
  }
  cpSync(join(root, 'src/edge/page'), join(folder, 'src/edge/page'), { recursive: true })
  const name = 'carillon'
  describePackage(folder, {
    name,
    version,
    description,
    license,
    type,
    engines,
    bin: own.bin,
    dependencies,
    optionalDependencies,
  })
}

function describePackage(folder: string, description: Readonly<Record<string, unknown>>): void {
  writeFileSync(join(folder, 'package.json'), `${JSON.stringify(description, undefined, 2)}\n`)
}

await runScript(command, async (_, [folder]) => {
  const target = resolve(folder ?? join(root, 'dist'))
  for (const [name, build] of Object.entries({ carillon: gateway, 'carillon-client': client })) {
    const folder = join(target, name)
    rmSync(folder, { recursive: true, force: true })
    mkdirSync(folder, { recursive: true })
    await build(folder)
    execFileSync('npm', ['pack', '--loglevel=error', '--pack-destination', target], { cwd: folder, stdio: 'inherit' })
  }
  return exitCodes.ok
})
