import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Refusals } from '../../src/base/limits.ts'
import { seededRandom } from '../../src/base/random.ts'
import { TimingWheel } from '../../src/base/wheel.ts'
import { EdgeContext } from '../../src/edge/context.ts'
import { edgeDefaults } from '../../src/edge/options.ts'
import { allowAll } from '../../src/identity/grant.ts'
import { createLogger } from '../../src/telemetry/logger.ts'
import { ManualClock } from '../model/clock.ts'
import { ask } from '../support/http.ts'
import { FakeSessions } from './fake-sessions.ts'
import { endlessDescriptors, FakePublisher, withEdge } from './harness.ts'

test('JSON that is nested too deep to be written again is refused as any other mistake, and is no fault of the gateway', async (t) => {
  const { port, logged } = await withEdge(t)
  // Written by hand: JSON.stringify can't.
  const text = '['.repeat(20_000) + ']'.repeat(20_000)
  const bodies = ['subjects', 'after', 'wait', 'until', 'last', 'policy'].map(
    (name) => `{"subjects":["a"],"${name}":${text}}`,
  )
  const requests: [path: string, body: string][] = [
    ...bodies.map((each): [string, string] => ['/v1/poll', each]),
    ['/v1/poll', text],
    ['/v1/publish', `{"events":{"a":${text}}}`],
    ['/v1/publish', `{"subject":${text}}`],
    ['/v1/publish', text],
  ]
  for (const [path, body] of requests) {
    const answer = await ask(port, path, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body })
    assert.equal(answer.status, 400, `${path} ${body.slice(0, 60)}: ${answer.text}`)
    assert.ok(answer.text.length < 500)
  }
  assert.deepEqual(logged, [])
})

test('a fault that a stranger can repeat is one line in ten seconds, which says how many there were', async () => {
  const lines: string[] = []
  const clock = new ManualClock()
  const logger = createLogger({ level: 'info', format: 'json', terminal: false }, clock, {
    write: (line) => lines.push(line),
  })
  const context = new EdgeContext(
    edgeDefaults,
    {
      sessions: new FakeSessions(),
      publisher: new FakePublisher(),
      identify: () => allowAll,
      clock,
      random: seededRandom(1),
      logger,
      refusals: new Refusals(),
      descriptors: endlessDescriptors,
      whenKnown: () => () => {},
    },
    new TimingWheel(clock),
  )
  const repeat = () => {
    for (let i = 0; i < 100; i++)
      context.logFault('a request failed', { path: `/v1/poll?${i}`, error: new Error(`number ${i}`) })
  }
  repeat()
  assert.equal(lines.length, 1)
  await clock.advance(10_000)
  repeat()
  assert.equal(lines.length, 2)
  assert.equal(JSON.parse(lines[1]!).suppressed, 99)
})
