import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../src/base/limits.ts'
import { shown } from '../../src/cli/status.ts'

const status = {
  gateway: 'g1',
  version: '0.1.0',
  uptimeMs: 3 * 86_400_000 + 3_700_000,
  broker: 'kafka://h:9092',
  sessions: { websocket: 3, sse: 1, poll: 0 },
  subscriptions: 9,
  streams: [
    {
      name: 'events',
      topic: 'carillon',
      state: 'up',
      partitions: [
        { lag: 2, blocked: 51 },
        { lag: 3, blocked: 0 },
      ],
    },
  ],
  limits: [
    { limit: 'maxSessions', ...limits.maxSessions, count: 12, lastMs: 0, last: '192.0.2.7' },
    { limit: 'maxBodies', ...limits.maxBodies, count: 0 },
  ],
  reasons: [],
  degraded: [],
}

test('status shows each limit with refusals, its last client and its option', () => {
  const text = shown(status, 'limits with refusals')
  assert.match(text, /^gateway g1, Carillon 0\.1\.0, up 3 d 1 h, broker kafka:\/\/h:9092\nready\n/)
  assert.match(text, /^events +carillon +up +2 +5 +51$/m)
  assert.match(text, /^maxSessions +12 +[\d:.]+ +192\.0\.2\.7 +sessions +limits\.maxSessions$/m)
  assert.doesNotMatch(text, /maxBodies/)
  assert.match(shown(status, 'all limits'), /^maxBodies +0 /m)
  assert.match(shown({ ...status, limits: [] }, 'limits with refusals'), /no limit has refused a client/)
})

test('status escapes control characters in names from other systems', () => {
  const name = 'h\u001b]0;x\u0007\u202e\n'
  const shownName = String.raw`h\u001b]0;x\u0007\u202e\u000a`
  const stream = { name, topic: name, state: name, partitions: [] }
  const limit = { limit: 'maxSessions', ...limits.maxSessions, count: 1, lastMs: 0, last: name }
  const named = { gateway: name, version: name, broker: name, streams: [stream], limits: [limit], reasons: [name] }
  const text = shown({ ...status, ...named, sessions: { [name]: 1 } }, 'all limits')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u202e]/)
  assert.equal(text.split(shownName).length - 1, 9)
  assert.deepEqual(
    text.split('\n').map((line) => line.length > 0),
    [true, true, true, true, false, true, true, false, true, true],
  )
})

test('status shows why a gateway is not ready or degraded, with control characters escaped', () => {
  const said = shown({ ...status, reasons: ['it is starting'], degraded: ['a\u001b[31m'] }, 'all limits')
  assert.match(said, /^not ready:\n {2}it is starting\n {2}a\\u001b\[31m\n/m)
  assert.match(shown({ ...status, degraded: ['away'] }, 'all limits'), /^ready, but:\n {2}away\n/m)
})
