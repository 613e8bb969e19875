import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import test from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const script = fileURLToPath(new URL('../../scripts/reconnect-storm.ts', import.meta.url))
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
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--disable-warning=ExperimentalWarning',
    script,
    ...Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]),
    '--json',
  ])
  const { tables, problems } = JSON.parse(stdout)
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
