import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { loadConfig } from '../../src/config/load.ts'
import { options } from '../../src/config/options.ts'
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
