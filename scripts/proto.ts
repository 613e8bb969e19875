/**
 * Generates src/wire/generated/ from proto/: `$(bin/find-node) scripts/proto.ts`. With `--check` it generates into a temporary folder
 * instead and fails when that differs from what is committed.
 */
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { exitCodes, progress, runScript, script } from '../test/command/command.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const pbjs = join(root, 'node_modules/protobufjs-cli/bin/pbjs')
const generated = join(root, 'src/wire/generated')
const names = ['carillon.js', 'carillon.d.ts'] as const

// Only what wire/ uses: encode and decode. `--force-number` types 64-bit integers as numbers; src/wire/schema.ts makes
// them numbers at run time as well.
const trimmed = ['--no-create', '--no-verify', '--no-convert', '--no-delimited', '--no-typeurl', '--no-service']

function runPbjs(out: string, ...more: string[]): void {
  const folder = join(root, 'proto/carillon/v1')
  const protos = readdirSync(folder).filter((name) => name.endsWith('.proto'))
  const files = protos.sort().map((name) => join('proto/carillon/v1', name))
  const options = ['-t', 'static-module', '-w', 'esm', '--force-number', ...trimmed, ...more, '-p', 'proto', '-o', out]
  execFileSync(process.execPath, [pbjs, ...options, ...files], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] })
}

/** pbjs reads the typings out of the comments, so they come from a run of their own: the code is committed without them. */
function generate(folder: string): void {
  runPbjs(join(folder, names[0]), '--dts')
  runPbjs(join(folder, names[0]), '--no-comments')
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Where the two texts first differ, for people; undefined when they are equal. */
function difference(name: string, committed: string, fresh: string): string | undefined {
  if (committed === fresh) return undefined
  const path = relative(root, join(generated, name))
  if (committed === '') return `${path} is missing`
  const [ours, theirs] = [committed.split('\n'), fresh.split('\n')]
  const line = theirs.findIndex((text, index) => text !== ours[index])
  const at = line === -1 ? theirs.length : line
  return `${path} differs from line ${at + 1} on\n  committed: ${ours[at] ?? '(end)'}\n  generated: ${theirs[at] ?? '(end)'}`
}

/** False where what is committed is another one. */
function isCommitted(folder: string): boolean {
  const found = names.map((name) => difference(name, read(join(generated, name)), read(join(folder, name))))
  for (const text of found) if (text !== undefined) progress(text)
  return found.every((text) => text === undefined)
}

const command = script('proto', 'Generates src/wire/generated/ from proto/.').option(
  '--check',
  'generate into a temporary folder instead, and fail if the code differs from the committed code',
)

await runScript<{ check?: boolean }>(command, async ({ check }) => {
  const scratch = mkdtempSync(join(tmpdir(), 'carillon-proto-'))
  try {
    generate(scratch)
    if (check && isCommitted(scratch)) return exitCodes.ok
    if (check) {
      progress(
        'The generated code is not that of proto/: run `$(bin/find-node) scripts/proto.ts` and commit the result.',
      )
      return exitCodes.failed
    }
    mkdirSync(generated, { recursive: true })
    for (const name of names) writeFileSync(join(generated, name), read(join(scratch, name)))
    return exitCodes.ok
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
})
