import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { errors } from '../../src/base/errors.ts'
import { rejectReasons } from '../../src/base/reject-reasons.ts'
import { loadConfig } from '../../src/config/load.ts'
import { startGateway } from '../../src/gateway/gateway.ts'
import { localSocket } from '../../src/source/open.ts'
import { spanOutcomes } from '../../src/telemetry/instruments.ts'
import { ask } from '../support/http.ts'
import { anchor, headings, pages, prose, readPage, rootPages, section, tables, uncode } from './markdown.ts'

const quiet = { log: () => {}, every: () => {} }
const docs = new URL('../../docs/', import.meta.url)

/** The paths that all listeners name when they are asked for one that they do not have. */
async function servedPaths(): Promise<Set<string>> {
  const folder = await mkdtemp(join(tmpdir(), 'carillon-docs-'))
  const broker = `embedded:${folder}`
  const flags = { broker, listen: '127.0.0.1:0', admin: '127.0.0.1:0', drainMs: '0' }
  const gateway = await startGateway(loadConfig({ flags, env: {} }).config, { logger: quiet })
  try {
    const found = new Set<string>()
    const places = [...[gateway.listen, gateway.admin].map((url) => Number(new URL(url).port)), localSocket(broker)!]
    for (const place of places) {
      const { error } = (await ask(place, '/none')).json as { error: { message: string } }
      for (const [path] of error.message.matchAll(/\/[a-z0-9/]+/g)) if (path !== '/none') found.add(path)
    }
    return found
  } finally {
    await gateway.close()
    await rm(folder, { recursive: true })
  }
}

test('paths that the pages name are served, and each served one is named', async () => {
  const served = await servedPaths()
  assert.ok(served.size >= 10, [...served].join())
  const named = new Set<string>()
  for (const page of pages) {
    const text = readPage(page)
    const inUrls = text.matchAll(/(?<![\w./-])(?:[\w.]+:\d+)?(\/(?:v1\/[a-z/]+|livez|readyz|metrics))\b/g)
    const inCode = text.matchAll(/`(?:[A-Z]+ )?(\/(?!(?:var|etc|opt|proc|sys|dev)(?:\/|`))[a-z0-9/]+)/g)
    for (const [, path] of [...inUrls, ...inCode]) named.add(path!.replace(/\/$/, ''))
  }
  // A prefix, in a proxy's configuration.
  named.delete('/v1')
  assert.deepEqual([...named].sort(), [...served].sort())
})

test('links between the pages lead somewhere, anchors too', () => {
  let followed = 0
  for (const page of [...pages, ...rootPages]) {
    const here = new URL(page, docs)
    for (const [, target] of prose(readPage(page)).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target!)) continue
      followed++
      const file = new URL(target!, here)
      const fragment = file.hash.slice(1)
      assert.ok(existsSync(fileURLToPath(file)), `${page} links to ${target}, which is not there`)
      if (fragment === '') continue
      const anchors = headings(readFileSync(fileURLToPath(file), 'utf8')).map(({ title }) => anchor(title))
      assert.ok(anchors.includes(fragment), `${page} links to ${target}, which has the anchors ${anchors}`)
    }
  }
  assert.ok(followed > 150, `only ${followed} links were found`)
})

test('metrics that the pages name are those of metrics.md', () => {
  const known = new Set(
    tables(readPage('metrics.md'))
      .flat()
      .map(([name]) => uncode(name!)),
  )
  let named = 0
  for (const page of pages.filter((name) => name !== 'metrics.md')) {
    for (const [name] of readPage(page).matchAll(/\b(?:carillon_[a-z_]+|nodejs_[a-z_]+)/g)) {
      named++
      assert.ok(known.has(name) || known.has(name.replace(/_(bucket|sum|count)$/, '')), `${page} names ${name}`)
    }
  }
  assert.ok(named > 8, `only ${named} metrics were found`)
})

test('error codes and reasons that the pages name exist', () => {
  const known = new Set<string>([...Object.keys(errors), ...rejectReasons, ...spanOutcomes, 'snake_case'])
  let named = 0
  for (const page of pages.filter((name) => name !== 'metrics.md')) {
    for (const [, code] of prose(readPage(page)).matchAll(/`([a-z]+(?:_[a-z]+)+)`/g)) {
      if (/^(carillon|ce)_/.test(code!)) continue
      named++
      assert.ok(known.has(code!), `${page} names ${code}, which is no error code and no reason`)
    }
  }
  assert.ok(named > 40, `only ${named} codes were found`)
})

test('closes that protocol.md names are those of the errors', () => {
  const rows = tables(section(readPage('protocol.md'), 'Limits')).flat()
  const closing = rows.flatMap((row) => [...row.at(-1)!.matchAll(/`(\w+)`, close (\d+)/g)])
  assert.equal(closing.length, 4)
  for (const [, code, close] of closing) assert.equal(errors[code as keyof typeof errors].close, Number(close), code)
})

test('kafka.md has a row for each reason why a record is rejected', () => {
  const [rows] = tables(section(readPage('kafka.md'), 'Rejected records'))
  assert.deepEqual(rows!.map(([reason]) => uncode(reason!)).toSorted(), rejectReasons.toSorted())
})

test('scripts are named as they run whatever Node is on the PATH', () => {
  const root = new URL('../../', import.meta.url)
  const places = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', ...pages.map((page) => `docs/${page}`)]
  const scripts = readdirSync(new URL('scripts', root)).filter((name) => name.endsWith('.ts'))
  let named = 0
  for (const place of [...places, ...scripts.map((name) => `scripts/${name}`)]) {
    const text = readFileSync(new URL(place, root), 'utf8')
    named += text.split('$(bin/find-node) scripts/').length - 1
    assert.doesNotMatch(text, /\bnode (-\S+ )*scripts\//, place)
  }
  assert.ok(named > 20, String(named))
})

test('`make start` takes other ports, and says how', () => {
  const root = fileURLToPath(new URL('../../', import.meta.url))
  const started = (...args: string[]) =>
    execFileSync('make', ['-n', 'start', ...args], { cwd: root, encoding: 'utf8', env })
  const env = { ...process.env, PORT: '3000' }
  assert.match(started('PORT=9080'), /serve --dev --listen 127\.0\.0\.1:9080 --admin 127\.0\.0\.1:9081$/m)
  assert.match(started(), /-- on other ports: make start PORT=9080'\nexec bin\/carillon serve --dev $/m)
})
