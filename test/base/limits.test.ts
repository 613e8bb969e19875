import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { CarillonError } from '../../src/base/errors.ts'
import { LimitReached, limitNames, limits, Refusals } from '../../src/base/limits.ts'
import { options } from '../../src/config/options.ts'

const src = new URL('../../src/', import.meta.url)
/** Rooms that clients reach. */
const rooms = ['admin', 'edge', 'session', 'publish', 'serving', 'fanout']
/** Codes of an excess, which only a limit may use. */
const limitCodes = /new CarillonError\(\s*'(overloaded|too_many_\w+|\w+_too_large|request_timeout)'/

test('every refusal because of a limit names the limit, so that it is counted', () => {
  const files = rooms.flatMap((room) => globSync(`${room}/**/*.ts`, { cwd: src.pathname }))
  assert.ok(files.length > 50)
  const unnamed = files.filter((file) => limitCodes.test(readFileSync(new URL(file, src), 'utf8')))
  assert.deepEqual(unnamed, [])
})

test('each limit is used in src, and each option of a limit exists', () => {
  const code = globSync('**/*.ts', { cwd: src.pathname })
    .filter((file) => file !== 'base/limits.ts')
    .map((file) => readFileSync(new URL(file, src), 'utf8'))
    .join('\n')
  for (const name of limitNames) {
    assert.ok(new RegExp(`(LimitReached|countCut|refused|refusal|full)\\(\\s*'${name}'`).test(code), name)
    const { option } = limits[name]
    if (option !== '' && option !== 'LimitNOFILE')
      assert.ok(
        options.some(({ path }) => path === option),
        option,
      )
  }
})

test('an error of a limit counts once on its way through several callers, and no other error counts', () => {
  const refusals = new Refusals()
  const error = new LimitReached('maxSessions', 'overloaded', 'full')
  refusals.note(error, { who: '192.0.2.7', atUs: 5_000_000 })
  refusals.note(error, { who: '', atUs: 6_000_000 })
  refusals.note(new CarillonError('overloaded', 'full'), { who: '192.0.2.8', atUs: 7_000_000 })
  refusals.note(new LimitReached('maxSessions', 'overloaded', 'full'), { who: '192.0.2.9', atUs: 8_000_000 })
  assert.equal(refusals.counts().maxSessions, 2)
  assert.equal(
    Object.values(refusals.counts()).reduce((sum, count) => sum + count),
    2,
  )
  const row = refusals.rows().find(({ limit }) => limit === 'maxSessions')
  assert.deepEqual(row, { limit: 'maxSessions', ...limits.maxSessions, count: 2, lastMs: 8000, last: '192.0.2.9' })
  const quiet = refusals.rows().find(({ limit }) => limit === 'maxBodies')
  assert.deepEqual(quiet, { limit: 'maxBodies', ...limits.maxBodies, count: 0 })
})
