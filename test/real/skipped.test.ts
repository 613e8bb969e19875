import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'

/** Runs a test file of these statements under the reporter; `noSkip` as in CI. */
function run(t: TestContext, statements: string, noSkip: string): { status: number | null; lines: string[] } {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-skipped-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const file = join(dir, 'some.test.mjs')
  writeFileSync(file, `import { describe, test } from 'node:test'\n${statements}\n`)
  const reporter = `--test-reporter=${join(import.meta.dirname, '../skipped.ts')}`
  const options = ['--disable-warning=ExperimentalWarning', '--test', reporter, '--test-reporter-destination=stdout']
  // Node refuses a run inside of a run that says it is one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { status, stdout } = spawnSync(process.execPath, [...options, file], {
    env: { ...env, CARILLON_TEST_NO_SKIP: noSkip },
    encoding: 'utf8',
  })
  return { status, lines: stdout.split('\n').filter((line) => line !== '') }
}

const skips = `
  test('runs', () => {})
  test('needs Java', { skip: 'no Java 17 here' }, () => {})
  describe('a suite', { skip: true }, () => test('inside', () => {}))
  test('finds out late', (t) => t.skip('no browser'))`

const named = [
  'skipped: needs Java: no Java 17 here',
  'skipped: a suite: no reason given',
  'skipped: finds out late: no browser',
]

test('a run ends with the tests that it skipped, each with its reason', (t) => {
  assert.deepEqual(run(t, skips, ''), { status: 0, lines: named })
})

test('where no skip is allowed, a skip fails the run', (t) => {
  const failed = 'failed: 3 tests were skipped, and CARILLON_TEST_NO_SKIP=1 allows none'
  assert.deepEqual(run(t, skips, '1'), { status: 1, lines: [...named, failed] })
})

test('a run without skips says so, and passes where none is allowed', (t) => {
  assert.deepEqual(run(t, "test('runs', () => {})", '1'), { status: 0, lines: ['nothing was skipped'] })
})

test('a failed test is a failure still', (t) => {
  const failing = "test('fails', () => { throw new Error('no') })"
  assert.deepEqual(run(t, failing, '1'), { status: 1, lines: ['nothing was skipped'] })
})
