import assert from 'node:assert/strict'
import test from 'node:test'
import { cpuCores, fitCpu } from '../../src/capacity/fit.ts'
import { knownHosts, twelveMillion } from '../../src/capacity/known-hosts.ts'
import { ceilings } from '../../src/capacity/model.ts'
import { command } from '../../src/cli/plan.ts'
import { readPage, section, tables, uncode } from './markdown.ts'

const page = readPage('plan.md')

test('plan.md has the ceilings of the model', () => {
  const [rows] = tables(section(page, 'How it computes'))
  assert.deepEqual(
    rows!.map(([resource, ceiling]) => [uncode(resource!), Number.parseInt(ceiling!, 10)]),
    Object.entries(ceilings).map(([resource, share]) => [resource, share * 100]),
  )
})

test('plan.md has the published rows, the line through the first two and what the model makes of each', () => {
  const [rows] = tables(section(page, 'Why CPU grows faster than load'))
  const [small, large] = twelveMillion as [(typeof twelveMillion)[0], (typeof twelveMillion)[0]]
  const cost = fitCpu(small, large, 12)
  const percent = (share: number) => `${Number((share * 100).toFixed(1))} %`
  const slope = (large.cpuShare - small.cpuShare) / (large.rate - small.rate)
  assert.deepEqual(
    rows,
    twelveMillion.map((row) => [
      `${row.clients / 1e6} million`,
      row.rate.toLocaleString('en'),
      `${row.meanMs} ms`,
      `${row.maxMs} ms`,
      percent(row.cpuShare),
      percent(small.cpuShare + slope * (row.rate - small.rate)),
      percent(cpuCores(cost, row.clients, row.rate) / 12),
    ]),
  )
})

test('plan.md names each option, and each host whose figures are known', () => {
  for (const { long } of command().options) assert.ok(page.includes(`\`${long}`), long!)
  const [rows] = tables(section(page, 'Host figures'))
  const names = rows!.map(([name]) => uncode(name!))
  for (const name of Object.keys(knownHosts)) assert.ok(names.includes(name), name)
})
