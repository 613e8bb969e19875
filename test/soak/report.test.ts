import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LoadReport } from './client-process.ts'
import { csv, type Outcome, problems, reportText } from './report.ts'
import type { Sample } from './sample.ts'

const nothing = { events: 9, repeated: 0, disordered: 0, lost: 0, again: 0, refused: 0, refusal: '', waiting: 0 }
const clients: LoadReport = {
  ...nothing,
  gaps: [],
  followers: 3,
  connected: 3,
  opened: 4,
  closed: 1,
  gone: 0,
  goneSlow: 0,
}

function outcome(anonymous: (i: number) => number, more: Partial<LoadReport> = {}): Outcome {
  const samples = Array.from({ length: 30 }, (_, i): Sample => {
    const sizes = { resident: 120, files: 20, heapUsed: 30, external: 10, liveHeap: i % 3 === 2 ? 20 : undefined }
    const counts = { sessions: 3, behind: 0, subscriptions: 3, opened: i, delivered: i, caughtUp: 0, readBacks: 0 }
    const seconds = (i + 1) * 10
    return { seconds, anonymous: anonymous(i), ...sizes, ...counts, gaps: 0, refused: 0, cpuSeconds: seconds / 10 }
  })
  return { what: 'a host', published: 9, samples, clients: { ...clients, ...more }, loadShare: 0.1, broken: undefined }
}

test('a soak is well where nothing grows and nothing was lost or repeated', () => {
  const well = outcome((i) => 100 + (i % 3))
  assert.deepEqual(problems(well), [])
  assert.match(reportText(well), /anonymous: flat, mean 101\.0/)
  assert.match(reportText(well), /lost 0, repeated 0, out of order 0/)
})

test('what grows, was lost or broke is named', () => {
  assert.match(problems(outcome((i) => 100 + i)).join(), /^anonymous grows: mean 119\.0, \+20\.00 over/)
  assert.deepEqual(problems(outcome(() => 100, { lost: 2, waiting: 1 })), ['2 lost', '1 waiting'])
  assert.deepEqual(problems({ ...outcome(() => 100), broken: 'it ended' }), ['it ended'])
  assert.match(problems({ ...outcome(() => 100), samples: [] }).join(), /too few samples/)
})

test('the curve is drawn from zero, and the samples are a table', () => {
  const lines = reportText(outcome((i) => (i < 15 ? 50 : 100))).split('\n')
  assert.equal(lines[1], `    100.0 |${' '.repeat(15)}${'*'.repeat(15)}`)
  assert.match(lines[12]!, /^ {6}0\.0 \|/)
  assert.match(lines[13]!, /5\.0 min$/)
  const rows = csv(outcome(() => 100).samples)
    .trimEnd()
    .split('\n')
  assert.deepEqual([rows.length, rows[0]!.split(',')[0], rows[1]!.split(',')[0]], [31, 'seconds', '10'])
})
