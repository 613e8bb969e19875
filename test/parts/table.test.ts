import assert from 'node:assert/strict'
import { test } from 'node:test'
import { failures, skips, suiteLine, timingTable } from './table.ts'

const tests = ['✔ a fact (3ms)', 'ℹ tests 7', 'ℹ pass 7', ''].join('\n')
const suites =
  suiteLine('test/a.test.ts', 9.9, 3) + suiteLine('test/b.test.ts', 12.34, 4) + suiteLine('test/c.test.ts', 40, 1)

test('the table has a row a part with its tests, its longer suites below, and the sum as the clock has it', () => {
  const lint = { name: 'lint', seconds: 2.4, end: 'passed' as const, output: 'fine\n' }
  const real = { name: 'real', seconds: 61.6, end: 'passed' as const, output: tests + suites }
  const rows = timingTable([lint, real], 62.1).split('\n')
  assert.deepEqual(
    rows.map((line) => line.trim().split(/ {2,}/)),
    [
      ['part, suite', 'seconds', 'tests'],
      ['lint', '2'],
      ['real', '62', '7'],
      ['test/c.test.ts', '40', '1'],
      ['test/b.test.ts', '12', '4'],
      ['all', '62'],
    ],
  )
})

test('what failed is shown again: of a run of tests all that failed, of anything else its end', () => {
  const passed = { name: 'lint', seconds: 1, end: 'passed' as const, output: 'fine\n' }
  const unit = {
    name: 'unit',
    seconds: 1,
    end: 'failed' as const,
    output: `${tests}\n✖ failing tests:\n\n✖ b\n  why\n`,
  }
  const output = Array.from({ length: 500 }, (_, i) => `line ${i}`).join('\n')
  const simulate = { name: 'simulate', seconds: 1, end: 'failed' as const, output }
  const told = failures([passed, unit, simulate]).split('\n')
  assert.deepEqual(told.slice(0, 6), ['failed: unit', '✖ failing tests:', '', '✖ b', '  why', ''])
  assert.deepEqual(told.slice(6, 8), ['failed: simulate', 'line 400'])
  assert.deepEqual(told.slice(-2), ['line 499', ''])
  assert.equal(failures([passed]), '')
})

test('a part that a signal ended is marked in the table, and is no failure', () => {
  const stopped = { name: 'unit', seconds: 3, end: 'stopped' as const, output: 'interrupted\n' }
  assert.match(timingTable([stopped], 3), /^ *unit \(stopped\) +3$/m)
  assert.equal(failures([stopped]), '')
})

test('what any part skipped is named once more', () => {
  const part = (output: string) => ({ name: 'real', seconds: 1, end: 'passed' as const, output })
  const named = ['skipped: needs Java: no Java 17 here\n', 'skipped: finds out late: no browser\n']
  const all = [part(`${tests}\n${named[0]}${suites}`), part(`nothing was skipped\n`), part(`${named[1]}${suites}`)]
  assert.equal(skips(all), named.join(''))
})
