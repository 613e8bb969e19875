import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'

const src = fileURLToPath(new URL('../src', import.meta.url))

/** Contracts that others than their folder's users may import. */
const sourceContract = 'source/source.ts'
const recordShape = 'log/record.ts'
const opener = 'source/open.ts'

/** What each folder may import besides itself: folders, or single files. */
const layers: Readonly<Record<string, readonly string[]>> = {
  base: [],
  subject: ['base'],
  wire: ['base', 'subject'],
  routing: ['base', 'subject'],
  telemetry: ['base'],
  log: ['base', 'subject'],
  source: ['base', 'wire', 'telemetry', recordShape],
  publish: ['base', 'subject', 'wire', 'routing', 'telemetry', sourceContract],
  fanout: ['base', 'subject', 'wire', 'routing', 'log', 'telemetry', sourceContract],
  session: ['base', 'subject', 'wire', 'routing', 'log', 'fanout', 'telemetry', sourceContract],
  edge: ['base', 'subject', 'wire', 'routing', 'session', 'telemetry', 'publish', sourceContract],
  admin: ['base'],
  client: ['base', 'subject', 'wire'],
  cli: [
    'base',
    'subject',
    'wire',
    'routing',
    'publish',
    'client',
    'config.ts',
    'config-load.ts',
    'gateway.ts',
    opener,
    sourceContract,
  ],
  'gateway.ts': [
    'base',
    'subject',
    'wire',
    'routing',
    'log',
    'telemetry',
    'publish',
    'fanout',
    'session',
    'edge',
    'admin',
    'config.ts',
    opener,
    sourceContract,
  ],
  'config.ts': [
    'base',
    'subject',
    'routing',
    'log',
    'session',
    'edge',
    'telemetry',
    opener,
    'source/kafka/options.ts',
    'source/embedded/options.ts',
  ],
  'config-load.ts': ['config.ts'],
}

/** The one place that may import each of these. */
const owners: readonly (readonly [pattern: RegExp, owner: string])[] = [
  [/^kafkajs$/, 'source/kafka/'],
  [/^(lz4-napi|snappy)$/, 'source/kafka/'],
  [/^lmdb$/, 'source/embedded/'],
  [/^@node-rs\/crc32$/, 'source/'],
  [/^@nats-io\//, 'source/jetstream/'],
  [/^uWebSockets\.js$/, 'edge/listener.ts'],
  [/^protobufjs(\/|$)/, 'wire/'],
  [/^@opentelemetry\/(?!api$)/, 'telemetry/sdk.ts'],
  [/^@opentelemetry\/api$/, 'telemetry/'],
  [/^pino$/, 'telemetry/logger.ts'],
  [/^zod$/, 'config'],
  [/^yaml$/, 'config-load.ts'],
  [/^commander$/, 'cli/'],
]

/** Folders that run in browsers: no Node module, but for the files that say so. */
const browserFolders = ['base', 'subject', 'wire', 'client']
const serverOnly = ['wire/delivery.ts', 'wire/json-writer.ts']

interface Import {
  readonly file: string
  readonly target: string
}

const files = readdirSync(src, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !file.includes('generated'))
  .map((file) => file.replaceAll('\\', '/'))

/** Static, type-only and dynamic imports, `export … from`, and `import('…')` in types. */
const importForms = /(?:\bfrom\s*|\bimport\s*\(\s*|\bimport\s+)['"]([^'"]+)['"]/g

const imports: Import[] = files.flatMap((file) => {
  const text = readFileSync(join(src, file), 'utf8')
  return [...text.matchAll(importForms)].map(([, target]) => ({ file, target: target! }))
})

/** The path below src of a relative import. */
const inside = ({ file, target }: Import) => relative(src, resolve(src, dirname(file), target)).replaceAll('\\', '/')
const layerOf = (path: string) => (path.includes('/') ? path.slice(0, path.indexOf('/')) : path)

test('each folder imports only what its layer allows', () => {
  const wrong = imports.flatMap((each) => {
    if (!each.target.startsWith('.')) return []
    const target = inside(each)
    const from = layerOf(each.file)
    const to = layerOf(target)
    if (from === to) return []
    const allowed = layers[from]
    if (allowed?.includes(to) || allowed?.includes(target)) return []
    // package.json's version is the gateway's.
    return [`${each.file} imports ${target}: ${from} may import ${allowed?.join(', ') || 'nothing'}`]
  })
  assert.deepEqual(wrong, [])
})

test('each package is imported by its owner only', () => {
  const wrong = imports.flatMap(({ file, target }) => {
    const owned = owners.find(([pattern]) => pattern.test(target))
    return owned === undefined || file.startsWith(owned[1])
      ? []
      : [`${file} imports ${target}: its owner is ${owned[1]}`]
  })
  assert.deepEqual(wrong, [])
})

test('what runs in browsers imports nothing of Node', () => {
  const wrong = imports.filter(({ file, target }) => {
    return browserFolders.includes(layerOf(file)) && target.startsWith('node:') && !serverOnly.includes(file)
  })
  assert.deepEqual(wrong, [])
})

test('every folder has its row, and every row was seen with files and imports', () => {
  const seen = new Set(files.map(layerOf))
  assert.deepEqual([...seen].sort(), Object.keys(layers).sort())
  assert.ok(files.length > 80, `${files.length} files`)
  assert.ok(imports.length > 3 * files.length, `${imports.length} imports`)
  for (const [pattern, owner] of owners) {
    if (owner === 'source/jetstream/') continue
    assert.ok(
      imports.some(({ file, target }) => pattern.test(target) && file.startsWith(owner)),
      `${pattern} is used in ${owner}`,
    )
  }
})
