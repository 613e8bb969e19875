import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask } from '../support/http.ts'
import { withEdge } from './harness.ts'

test('JSON nested too deep to be serialised again is refused like any other mistake, not as a fault of the gateway', async (t) => {
  const { port, logged } = await withEdge(t)
  // Written by hand, because JSON.stringify can't.
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
