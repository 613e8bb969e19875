import assert from 'node:assert/strict'
import test from 'node:test'
import { runScript } from './support/run.ts'

const skip = process.platform === 'linux' ? false : 'the figures are read from /proc'

test('the figures are measured by one command, and nothing is lost meanwhile', { skip, timeout: 120_000 }, async () => {
  const options = '--broker embedded --clients 10 --seconds 0.5 --only unicast,broadcast --json'
  const run = runScript('figures', ...options.split(' '))
  assert.equal(await run.ended, 0, run.stderr)
  const { tables, problems } = JSON.parse(run.stdout)
  assert.deepEqual(problems, [])
  assert.equal(tables.length, 4)
  for (const { rows } of tables) assert.equal(rows.length, 4)
  for (const { lost, repeated } of [...tables[1].rows, ...tables[3].rows]) assert.deepEqual([lost, repeated], [0, 0])
  for (const row of [...tables[0].rows, ...tables[2].rows]) assert.ok(row['CPU µs a delivery'] > 0, JSON.stringify(row))
})
