import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WebSocket } from 'ws'
import { loopClock } from '../../src/base/clock.ts'
import { CarillonError } from '../../src/base/errors.ts'
import { allowAll, type Credentials, type Grant } from '../../src/identity/grant.ts'
import { ask, postJson } from '../support/http.ts'
import { until, withEdge } from './harness.ts'

const cookie = { cookie: 'who=alice' }

/** A separate grant for each name. */
class Grants {
  readonly given: [string, Grant][] = []

  identify = (credentials: Credentials): Grant => {
    const name = credentials.getHeader('cookie')
    if (name === '') throw new CarillonError('bad_request', 'nobody is nobody')
    const grant = { ...allowAll }
    this.given.push([name, grant])
    return grant
  }
}

const ways: readonly [string, (port: number) => unknown][] = [
  ['a WebSocket', (port) => new WebSocket(`ws://127.0.0.1:${port}/v1/ws`, { headers: cookie }).on('error', () => {})],
  ['SSE', (port) => ask(port, '/v1/sse?subject=a', { headers: cookie }).catch(() => {})],
  ['a poll', (port) => ask(port, '/v1/poll?subject=a', { headers: cookie })],
  ['a poll with a body', (port) => postJson(port, '/v1/poll', { subjects: ['a'] }, cookie)],
]

for (const [name, open] of ways) {
  test(`the session of ${name} has the grant of its client`, async (t) => {
    const grants = new Grants()
    const { port, sessions } = await withEdge(t, {}, loopClock(), grants)
    open(port)
    await until('it is there', () => sessions.opened.length === 1)
    assert.equal(grants.given[0]![0], 'who=alice')
    assert.equal(sessions.last.grant, grants.given[0]![1])
  })
}

test('a publish request has the grant of its client', async (t) => {
  const grants = new Grants()
  const { port, publisher } = await withEdge(t, {}, loopClock(), grants)
  await postJson(port, '/v1/publish', { subject: 'a', data: 'x' }, cookie)
  assert.equal(publisher.calls[0]!.grant, grants.given[0]![1])
})

test('a client without identity is refused on each transport, before anything else of its request is checked', async (t) => {
  const { port, sessions, publisher } = await withEdge(t, {}, loopClock(), new Grants())
  const answers = [
    await ask(port, '/v1/sse?nonsense=1'),
    await ask(port, '/v1/poll?nonsense=1'),
    await postJson(port, '/v1/poll', 'nonsense'),
    await postJson(port, '/v1/publish', 'nonsense'),
  ]
  const socket = new WebSocket(`ws://127.0.0.1:${port}/v1/ws`)
  const status = await new Promise((resolve) => {
    socket.on('unexpected-response', (_, response) => resolve(response.statusCode))
    socket.on('error', () => {})
  })
  assert.equal(status, 400)
  for (const { status, json } of answers) {
    assert.equal(status, 400)
    assert.match(json.error.message, /nobody is nobody/)
  }
  assert.deepEqual([sessions.opened.length, publisher.calls.length], [0, 0])
})
