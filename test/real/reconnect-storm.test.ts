import assert from 'node:assert/strict'
import test from 'node:test'
import { runScript } from './support/run.ts'

const skip = process.platform === 'linux' ? false : 'CPU time is read from /proc'
const partitions = 2
const missed = 30_000
const chunkBytes = 1 << 20

test('a thousand clients that come back at once cost a handful of range reads, and miss nothing', {
  skip,
  timeout: 240_000,
}, async () => {
  const options = {
    clients: 1000,
    subjects: 6000,
    missed,
    partitions,
    live: 20,
    seconds: 1,
    only: 'memory,index,scan',
  }
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`])
  const run = runScript('reconnect-storm', ...flags, '--json')
  assert.equal(await run.ended, 0, run.stderr)
  const { tables, problems } = JSON.parse(run.stdout)
  assert.deepEqual(problems, [])
  const [memory, index, scan] = tables[0].rows
  for (const row of [memory, index, scan]) {
    assert.deepEqual([row.lost, row.repeated], [0, 0])
    assert.ok(row.given >= 3000 * Math.floor(missed / 6000), `${row.given} given`)
  }
  assert.equal(memory['range reads'], 0)
  for (const row of [index, scan]) {
    // A sweep a second, and one that the first who came had begun.
    const sweeps = 2 + row['last live ms'] / 1000
    const chunks = partitions * Math.ceil((missed / partitions) * (400 / chunkBytes))
    const reads = row['range reads']
    assert.ok(reads > 0 && reads <= sweeps * chunks, `${reads} reads of ${chunks} chunks in ${sweeps} sweeps`)
    assert.ok(row['records read'] <= sweeps * (missed + 1000), `${row['records read']} records`)
  }
})
