import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'

test('a run under the reporter ends with what each file took, the longest first', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-timing-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const imports = "import { test } from 'node:test'"
  writeFileSync(join(dir, 'quick.test.mjs'), `${imports}\ntest('a', () => {})\ntest('b', () => {})\n`)
  const slow =
    "test('c', async (t) => { await new Promise((resolve) => setTimeout(resolve, 1500)); throw new Error('no') })"
  writeFileSync(join(dir, 'slow.test.mjs'), `${imports}\n${slow}\n`)
  const reporter = `--test-reporter=${join(import.meta.dirname, '../timing.ts')}`
  // Node refuses a run inside of a run that says it is one.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const options = ['--disable-warning=ExperimentalWarning', '--test', reporter, '--test-reporter-destination=stdout']
  const files = ['quick.test.mjs', 'slow.test.mjs']
  const { status, stdout } = spawnSync(process.execPath, [...options, ...files], { cwd: dir, env, encoding: 'utf8' })
  assert.equal(status, 1)
  const lines = stdout.trim().split('\n')
  assert.equal(lines.length, 2, stdout)
  assert.match(lines[0]!, /^took \d+\.\d s, tests 1: slow\.test\.mjs$/)
  assert.match(lines[1]!, /^took \d+\.\d s, tests 2: quick\.test\.mjs$/)
})
