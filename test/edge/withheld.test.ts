import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CarillonError } from '../../src/base/errors.ts'
import { ask, postJson } from '../support/http.ts'
import { withEdge } from './harness.ts'

const secret = 'broker kafka1.internal:9092: connect ECONNREFUSED 10.0.0.1:9092; create it with: kafka-topics.sh'

test("the details of a broker's error are logged, and no answer contains them", async (t) => {
  for (const code of [
    'broker_unavailable',
    'stream_missing',
    'stream_unusable',
    'publish_forbidden',
    'storage_full',
  ] as const) {
    const { port, sessions, publisher, logged } = await withEdge(t)
    const thrown = new CarillonError(code, secret, { retryAfterMs: 700 })
    publisher.answer = () => Promise.reject(thrown)
    const answers = [await postJson(port, '/v1/publish', { subject: 'a', data: 1 })]
    sessions.onStart = () => {
      throw thrown
    }
    for (const path of ['/v1/poll?subject=a', '/v1/sse?subject=a']) answers.push(await ask(port, path))
    sessions.refusal = thrown
    for (const path of ['/v1/poll?subject=a', '/v1/sse?subject=a']) answers.push(await ask(port, path))
    for (const { text } of answers) {
      assert.match(text, new RegExp(code))
      assert.doesNotMatch(text, /kafka|ECONNREFUSED/)
    }
    assert.equal(logged.length, answers.length)
    for (const line of logged) assert.ok(line.includes(secret), line)
  }
})
