import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import test from 'node:test'
import { parse } from 'yaml'
import type { Config } from '../../src/config/config.ts'
import { loadConfig } from '../../src/config/load.ts'
import { schemaOf } from '../../src/config/schema.ts'
import { routeSettings } from '../../src/routing/options.ts'
import { RoutingTable } from '../../src/routing/table.ts'
import { natsSection } from '../../src/source/jetstream/options.ts'
import { codeBlocks, readPage, section, tables } from './markdown.ts'

const page = readPage('nats.md')

function configurations(): Config[] {
  const folder = mkdtempSync(join(tmpdir(), 'carillon-docs-'))
  try {
    return codeBlocks(page, 'yaml').map(({ text }, i) => {
      const file = join(folder, `${i}.yaml`)
      // The files that the page names are not on this host.
      const { nats, ...rest } = parse(text)
      assert.ok(nats === undefined || schemaOf(natsSection.form).safeParse(nats).success)
      writeFileSync(file, JSON.stringify(rest))
      return loadConfig({ flags: {}, env: {}, file }).config
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

test('the configurations in nats.md are right, and the first one has the event of the example where it came', () => {
  const all = configurations()
  assert.equal(all.length, 3)
  const [{ routes, streams }, asItIs] = all as [Config, Config]
  assert.equal(asItIs.streams.orders!.layout, 'single')
  const shown = codeBlocks(page, 'text').find(({ text }) => text.startsWith('data: '))!
  const { partition, event } = JSON.parse(shown.text.slice('data: '.length))
  const [place] = new RoutingTable(routes).partitionsFor(event.subject, (name) => streams[name]!.partitions)
  assert.deepEqual(place, { stream: 'orders', partitions: [partition] })
})

test('the routes in nats.md are right, and match the mapping beside each', () => {
  const [rows] = tables(section(page, 'Partitions and routes'))
  assert.ok(rows!.length >= 4)
  for (const [mapping, cell] of rows!) {
    const route = parse(cell!.replaceAll('`', '').replace(/^\{/, '{stream: events, '))
    assert.ok(schemaOf(routeSettings.routes.form).safeParse([route]).success, cell)
    const [, numbers] = /\{\{partition\(4((?:,\d)*)\)\}\}/.exec(mapping!)!
    const counted = numbers!.split(',').length - 1
    const wildcards = mapping!.split(' to ')[0]!.match(/\*/g)?.length ?? 0
    assert.equal(route.by.hash, counted === 0 ? 'nats-subject' : 'nats', mapping)
    assert.equal(route.by.tokens, counted === 0 || counted === wildcards ? undefined : counted, mapping)
  }
})
