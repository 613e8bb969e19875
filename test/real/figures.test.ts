import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const script = fileURLToPath(new URL('../../scripts/figures.ts', import.meta.url))
const skip = process.platform === 'linux' ? false : 'the figures are read from /proc'

test('the figures are measured by one command, and nothing is lost meanwhile', { skip, timeout: 120_000 }, async () => {
  const options = [
    '--broker',
    'embedded',
    '--clients',
    '10',
    '--seconds',
    '0.5',
    '--only',
    'unicast,broadcast',
    '--json',
  ]
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    script,
    ...options,
  ])
  const { tables, problems } = JSON.parse(stdout)
  assert.deepEqual(problems, [])
  assert.equal(tables.length, 4)
  for (const { rows } of tables) assert.equal(rows.length, 4)
  for (const { lost, repeated } of [...tables[1].rows, ...tables[3].rows]) assert.deepEqual([lost, repeated], [0, 0])
  for (const row of [...tables[0].rows, ...tables[2].rows]) assert.ok(row['CPU µs a delivery'] > 0, JSON.stringify(row))
})
