import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Lanes, type Part } from './lanes.ts'

const part = (name: string, script: string): Part => ({ name, command: ['sh', '-c', script] })

function inFolder(t: TestContext): (name: string) => string {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-lanes-'))
  t.after(() => rmSync(dir, { recursive: true }))
  return (name) => join(dir, name)
}

/** Ends once both files are there. */
const meeting = (own: string, other: string) => `touch ${own}; until test -e ${other}; do sleep 0.02; done`

test('lanes of a stage run side by side, the parts of a lane in order, and the next stage once all have passed', async (t) => {
  const at = inFolder(t)
  let shown = ''
  const lanes = new Lanes((text) => {
    shown += text
  })
  const first = { parts: [part('a', meeting(at('a'), at('b'))), part('c', `test -e ${at('b')} && echo c`)] }
  const beside = { parts: [part('b', meeting(at('b'), at('a')))], isBackground: true }
  const status = await lanes.run([[first, beside], [{ parts: [part('d', 'echo d >&2')] }]])
  assert.equal(status, 0)
  assert.deepEqual(lanes.took.map(({ name }) => name).sort(), ['a', 'b', 'c', 'd'])
  assert.equal(lanes.took.at(-1)!.name, 'd')
  assert.equal(shown, 'c\nd\n')
})

test('a part that fails ends its lane and the run, but not its neighbours', async (t) => {
  const at = inFolder(t)
  const lanes = new Lanes(() => {})
  const failing = { parts: [part('fails', `echo why; touch ${at('failed')}; exit 3`), part('never', 'true')] }
  const beside = {
    parts: [part('waits', `until test -e ${at('failed')}; do sleep 0.02; done`), part('goes on', 'true')],
  }
  assert.equal(await lanes.run([[failing, beside], [{ parts: [part('later', 'true')] }]]), 1)
  const took = new Map(lanes.took.map((each) => [each.name, each]))
  assert.deepEqual([...took.keys()].sort(), ['fails', 'goes on', 'waits'])
  assert.deepEqual([took.get('fails')!.end, took.get('fails')!.output], ['failed', 'why\n'])
  assert.equal(took.get('goes on')!.end, 'passed')
})

test('a program that is not there fails its part, and is named', async () => {
  const lanes = new Lanes(() => {})
  assert.equal(await lanes.run([[{ parts: [{ name: 'none', command: ['/nothing/here'] }] }]]), 1)
  assert.match(lanes.took[0]!.output, /\/nothing\/here/)
})

test('what a background part says comes in one piece, and the others go first', async () => {
  const shown: string[] = []
  const lanes = new Lanes((text) => shown.push(text))
  const parts = [part('quiet', 'echo one; sleep 0.2; nice')]
  assert.equal(await lanes.run([[{ parts, isBackground: true }]]), 0)
  assert.deepEqual(shown.length, 1)
  assert.match(shown[0]!, /^one\n[1-9]\d?\n$/)
})

test('a signal ends what runs, begins nothing more, and is the exit status', async () => {
  const lanes = new Lanes((text) => {
    if (text === 'begun\n') lanes.stop('SIGINT')
  })
  const parts = [part('long', 'echo begun; exec sleep 60'), part('next', 'true')]
  assert.equal(await lanes.run([[{ parts }], [{ parts: [part('later', 'true')] }]]), 130)
  assert.deepEqual(
    lanes.took.map(({ name, end }) => [name, end]),
    [['long', 'stopped']],
  )
})

test('a signal ends the processes that a part began, and not the part alone', async (t) => {
  const at = inFolder(t)
  const lanes = new Lanes((text) => {
    if (text === 'begun\n') lanes.stop('SIGTERM')
  })
  const inner = `trap "touch ${at('ended')}; exit" TERM; echo begun; sleep 5 & wait`
  assert.equal(await lanes.run([[{ parts: [part('long', `sh -c '${inner}'; true`)] }]]), 143)
  assert.equal(existsSync(at('ended')), true)
})
