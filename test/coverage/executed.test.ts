import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Executed, type ScriptCoverage } from './executed.ts'

const source = `const limit: number = Number(process.env.LIMIT)
interface Unseen {
  readonly a: string
}
function often(x: number): number {
  if (x > limit) {
    return 1
  }
  return 0
}
/* never
   called */
function never(): void {
  // nothing
  console.log('here')
}
often(3)
if (limit < 0) never()
`

/** What V8 itself says of the source, run with this limit. */
function coverage(limit: number): ScriptCoverage {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-executed-'))
  try {
    writeFileSync(join(dir, 'source.ts'), source)
    const env = { ...process.env, LIMIT: String(limit), NODE_V8_COVERAGE: join(dir, 'out') }
    spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', join(dir, 'source.ts')], { env })
    const [file] = readdirSync(join(dir, 'out'))
    const { result } = JSON.parse(readFileSync(join(dir, 'out', file!), 'utf8')) as { result: ScriptCoverage[] }
    return result.find(({ url }) => url.endsWith('source.ts'))!
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

const notRun = (executed: Executed): number[] => [...executed.lines()].filter(([, ran]) => !ran).map(([line]) => line)

test('lines that did not run are those of functions and branches that were not taken', () => {
  const executed = new Executed(source)
  executed.add(coverage(5))
  assert.deepEqual(notRun(executed), [7, 13, 15, 18])
  const { all, ran } = executed.branches
  assert.ok(ran < all)
})

test('a line ran when it did in any process', () => {
  const executed = new Executed(source)
  executed.add(coverage(5))
  executed.add(coverage(1))
  assert.deepEqual(notRun(executed), [13, 15, 18])
})

test('blank lines, comments and lone braces are no lines of code', () => {
  const executed = new Executed(source)
  executed.add(coverage(5))
  const lines = [...executed.lines().keys()]
  for (const line of [4, 8, 10, 11, 12, 14, 16]) assert.ok(!lines.includes(line), `line ${line}`)
})
