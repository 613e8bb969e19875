import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limitNames, limits } from '../../src/base/limits.ts'
import { sizes } from '../../src/session/account.ts'
import { readPage, section, tables, uncode } from './markdown.ts'

test('operations.md lists each limit that refuses somebody, what it refuses and what sets it', () => {
  const [rows] = tables(section(readPage('operations.md'), 'Limits and refusals'))
  const expected = limitNames.map((name) => [name, limits[name].refuses, limits[name].option])
  assert.deepEqual(
    rows!.map(([name, refuses, option]) => [uncode(name!), refuses, uncode(option!)]),
    expected,
  )
})

test('operations.md says as how much each part of a session is counted', () => {
  const [rows] = tables(section(readPage('operations.md'), 'Counted memory of a session'))
  assert.deepEqual(
    rows!.map(([, bytes]) => Number(/^\d+/.exec(bytes!)?.[0])),
    Object.values(sizes),
  )
})
