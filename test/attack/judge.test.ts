import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Outcome, problems, row, verdict } from './judge.ts'

const quiet = {
  writtenP99Ms: 4,
  receivedP99Ms: 5,
  receivedMaxMs: 9,
  received: 900,
  livezMs: 3,
  residentMiB: 140,
  cpu: 0.1,
}

const stood: Outcome = {
  name: 'an attack',
  quiet,
  attack: { ...quiet, writtenP99Ms: 12, receivedP99Ms: 15, livezMs: 100, residentMiB: 264 },
  lost: 0,
  told: 0,
  broken: 3,
  reasons: [],
  refusal: undefined,
  before: { heap: 20, external: 60 },
  after: { heap: 22, external: 66 },
  documentedMiB: 200,
  attackers: { connections: 4, bytes: 9 },
  ended: undefined,
}

const found = (more: Partial<Outcome>): number => problems({ ...stood, ...more }).length
const during = (more: Partial<Outcome['attack']>): number => found({ attack: { ...stood.attack, ...more } })

test('a gateway withstands an attack when each figure is at its bound', () => {
  assert.deepEqual(problems(stood), [])
  assert.deepEqual([verdict(stood), row(stood).verdict], ['stands', 'stands'])
})

test('each figure beyond its bound is a separate problem', () => {
  assert.equal(during({ writtenP99Ms: 12.1 }), 1)
  assert.equal(during({ receivedP99Ms: 15.1 }), 1)
  assert.equal(during({ livezMs: 101 }), 1)
  assert.equal(during({ residentMiB: 264.1 }), 1)
  assert.equal(found({ lost: 1 }), 1)
  assert.equal(found({ told: 1 }), 1)
  assert.equal(found({ refusal: 'expected 200 for a publish, got 503' }), 1)
  assert.equal(found({ after: { heap: 22.1, external: 66 } }), 1)
  assert.equal(found({ after: { heap: 22, external: 66.1 } }), 1)
  assert.equal(found({ ended: 'out of memory' }), 1)
})

test('when the quiet host is slow, the bound is 50 ms', () => {
  const slow = { quiet: { ...quiet, writtenP99Ms: 30, receivedP99Ms: 30 } }
  assert.equal(found({ ...slow, attack: { ...stood.attack, writtenP99Ms: 50, receivedP99Ms: 50 } }), 0)
  assert.equal(found({ ...slow, attack: { ...stood.attack, writtenP99Ms: 51, receivedP99Ms: 51 } }), 2)
})

test('a host that is too slow when quiet produces no verdict', () => {
  assert.equal(verdict({ ...stood, quiet: { ...quiet, writtenP99Ms: 51 } }), 'host too busy')
  assert.equal(verdict({ ...stood, lost: 1, quiet: { ...quiet, livezMs: 101 } }), 'host too busy')
  assert.equal(verdict({ ...stood, lost: 1 }), 'FALLS')
})

test('a missing figure satisfies no bound, even after JSON, which cannot represent NaN', () => {
  const unknown = { ...stood.attack, writtenP99Ms: Number.NaN, livezMs: Number.POSITIVE_INFINITY }
  const after = { heap: Number.NaN, external: Number.NaN }
  assert.equal(found({ attack: unknown, after }), 4)
  assert.equal(problems(JSON.parse(JSON.stringify({ ...stood, attack: unknown, after }))).length, 4)
})
