import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadConfig } from '../../src/config/load.ts'
import { type Option, options } from '../../src/config/options.ts'
import { routeHashes } from '../../src/routing/options.ts'
import { codeBlocks, pages, prose, readPage, section, tables } from './markdown.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

test('the table of options in config.md is that of the schema', () => {
  const script = join(root, 'scripts/docs.ts')
  execFileSync(process.execPath, ['--disable-warning=ExperimentalWarning', script, '--check'], { stdio: 'inherit' })
})

test('the configuration file in config.md is right', () => {
  const blocks = codeBlocks(readPage('config.md'), 'yaml')
  assert.equal(blocks.length, 1)
  const folder = mkdtempSync(join(tmpdir(), 'carillon-docs-'))
  try {
    const file = join(folder, 'carillon.yaml')
    writeFileSync(file, blocks[0]!.text)
    const { config, origins } = loadConfig({ flags: {}, env: {}, file })
    assert.equal(config.routes.length, 3)
    assert.ok(origins.get('routes')?.startsWith(file))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('config.md has a row for each hash of a route', () => {
  const [rows] = tables(section(readPage('config.md'), 'Routes'))
  for (const hash of routeHashes)
    assert.ok(
      rows!.some(([by]) => by!.includes(`{hash: ${hash}}`)),
      hash,
    )
})

test('options that the pages name exist', () => {
  const groups = new Set(options.flatMap(({ path }) => (path.includes('.') ? [path.split('.')[0]!] : [])))
  const known = new Set(options.map(({ path }) => path))
  let named = 0
  for (const page of pages) {
    for (const [, path] of prose(readPage(page)).matchAll(/`([a-z]\w*\.\w+)`/gi)) {
      // `acks.all` or `message.timestamp` of another system has a group of another name.
      if (!groups.has(path!.split('.')[0]!) || path === 'kafka.md') continue
      named++
      assert.ok(known.has(path!), `${page} names ${path}, which is no option`)
    }
  }
  assert.ok(named > 40, `only ${named} options were found`)
})

test('flags of the commands in the pages exist', () => {
  const flags = new Set(options.map(({ flag }) => flag))
  const others = new Set(['--config', '--json', '--help', '--trace'])
  let used = 0
  for (const page of pages) {
    for (const [, line] of readPage(page).matchAll(/\bcarillon (?:serve|config|routes|publish) ([^\n`]*)/g)) {
      for (const [flag] of line!.matchAll(/--[a-z-]+/g)) {
        used++
        assert.ok(flags.has(flag) || others.has(flag), `${page} uses ${flag}, which no command has`)
      }
    }
  }
  assert.ok(used >= 5, `only ${used} flags were found`)
})

const units: Readonly<Record<string, number>> = { days: 86_400_000, s: 1000, ms: 1, KiB: 1 << 10, MiB: 1 << 20 }

/** The default of an option in ms or bytes, as `5 s` or `64 KiB` says it. */
function plainDefault({ path, default: value }: Option): number {
  return path.endsWith('MiB') ? Number(value) * (1 << 20) : Number(value)
}

const amount = (text: string, unit = '') => Number(text.replaceAll(',', '')) * (units[unit] ?? 1)

test('amounts that the pages give beside an option are its default', () => {
  const numbers = options.filter(({ kind }) => kind === 'number')
  let given = 0
  for (const page of pages) {
    const beside = /`([\w.]+)`(?:,? \(|, )(\d[\d,]*)(?![\d.])(?: (days|s|ms|KiB|MiB)\b)?/g
    for (const [said, name, count, unit] of prose(readPage(page)).matchAll(beside)) {
      const option = numbers.find(({ path }) => path === name)
      if (option === undefined) continue
      given++
      assert.equal(amount(count!, unit), plainDefault(option), `${page}: ${said}`)
    }
  }
  assert.ok(given >= 9, `only ${given} were found`)
})

test('the sizes in the table of memory are defaults of the options beside them', () => {
  const [rows] = tables(section(readPage('operations.md'), 'Memory'))
  let given = 0
  for (const [part, size, cell] of rows!) {
    const names = [...cell!.matchAll(/`([\w.]+)`/g)].map(([, name]) => name)
    const defaults = options.filter(({ path }) => names.includes(path)).map(plainDefault)
    for (const [said, count, unit] of size!.matchAll(/(\d[\d,]*) (KiB|MiB)/g)) {
      given++
      assert.ok(defaults.includes(amount(count!, unit)), `${part}: ${said}`)
    }
  }
  assert.equal(given, 10)
})
