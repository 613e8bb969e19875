import assert from 'node:assert/strict'
import http from 'node:http'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { CarillonError } from '../../src/base/errors.ts'
import { ManualClock } from '../model/clock.ts'
import { ask, postJson, RawClient } from '../support/http.ts'
import { until, withEdge } from './harness.ts'

setFlagsFromString('--expose-gc')
const collect: () => void = runInNewContext('gc')

test('a poll without a position is answered at once with the position to continue from', async (t) => {
  const { port, sessions } = await withEdge(t)
  const answer = await ask(port, '/v1/poll?subject=a.b&subject=c')
  assert.equal(answer.status, 200)
  assert.deepEqual(answer.json, { frames: [], live: true, after: 'AAAAAAAA' })
  assert.deepEqual(sessions.last.subjects, ['a.b', 'c'])
  assert.deepEqual(sessions.last.closes, ['answered'])
})

test('a poll with `last` is answered with these events, or at once if it is caught up and there are none', async (t) => {
  const { port, sessions } = await withEdge(t)
  const some = ask(port, '/v1/poll?subject=a&last=2')
  await until('it waits', () => sessions.opened.length === 1)
  sessions.last.deliver('B', { delivery: 1 })
  assert.deepEqual((await some).json, { frames: [{ delivery: 1 }], live: false, after: 'B' })
  const none = ask(port, '/v1/poll?subject=a&last=2')
  await until('it waits', () => sessions.opened.length === 2)
  assert.deepEqual(sessions.last.closes, [])
  sessions.last.outlet.caughtUp()
  assert.deepEqual((await none).json, { frames: [], live: true, after: 'AAAAAAAA' })
})

test('the frames of one turn share one answer', async (t) => {
  const { port, sessions } = await withEdge(t)
  const answer = ask(port, '/v1/poll?subject=a&after=x&after=y')
  await until('it waits', () => sessions.opened.length === 1)
  assert.deepEqual(sessions.last.after, ['x', 'y'])
  sessions.last.deliver('B', { delivery: 1 })
  sessions.last.deliver('C', { delivery: 2 })
  sessions.last.position = 'D'
  assert.deepEqual((await answer).json, { frames: [{ delivery: 1 }, { delivery: 2 }], live: false, after: 'D' })
  assert.equal(sessions.last.deliver('E', {}), 2)
})

test('an answer says whether everything missed has been delivered, with or without frames', async (t) => {
  const clock = new ManualClock()
  const { port, sessions } = await withEdge(t, {}, clock)
  const poll = async (happens: () => void) => {
    const count = sessions.opened.length
    const answer = ask(port, '/v1/poll?subject=a&after=x&wait=1000')
    await until('it waits', () => sessions.opened.length > count)
    happens()
    await clock.advance(1100)
    const { frames, live } = (await answer).json
    return [frames.length, live]
  }
  const caughtUp = () => sessions.last.outlet.caughtUp()
  const deliver = () => sessions.last.deliver('B', { delivery: 1 })
  assert.deepEqual(await poll(() => {}), [0, false], 'the broker has not delivered it yet')
  assert.deepEqual(await poll(caughtUp), [0, true])
  assert.deepEqual(await poll(deliver), [1, false])
  assert.deepEqual(
    await poll(() => {
      deliver()
      caughtUp()
    }),
    [1, true],
  )
})

test('with until=live, a poll is answered when it is live; otherwise it waits for an event', async (t) => {
  const { port, sessions } = await withEdge(t)
  const poll = (until: string) => ask(port, `/v1/poll?subject=a&after=x${until}`)
  const held = poll('')
  await until('it waits', () => sessions.opened.length === 1)
  const [holding] = sessions.opened
  holding!.outlet.caughtUp()
  const answered = poll('&until=live')
  await until('it waits', () => sessions.opened.length === 2)
  assert.deepEqual(sessions.last.closes, [], 'the missed events are still to come')
  sessions.last.outlet.caughtUp()
  assert.deepEqual((await answered).json, { frames: [], live: true, after: 'AAAAAAAA' })
  assert.deepEqual(holding!.closes, [])
  holding!.deliver('B', { delivery: 1 })
  assert.deepEqual((await held).json, { frames: [{ delivery: 1 }], live: true, after: 'B' })
})

test('POST takes the subjects as JSON', async (t) => {
  const { port, sessions } = await withEdge(t)
  const subjects = Array.from({ length: 500 }, (_, i) => `a.${i}`)
  const answer = await postJson(port, '/v1/poll', { subjects })
  assert.deepEqual(answer.json, { frames: [], live: true, after: 'AAAAAAAA' })
  assert.deepEqual(sessions.last.subjects, subjects)
  assert.equal((await postJson(port, '/v1/poll', { subjects: 'a' })).json.error.code, 'bad_request')
  const text = await ask(port, '/v1/poll', { method: 'POST', body: '{}', headers: { 'Content-Type': 'text/plain' } })
  assert.equal(text.status, 415)
})

test("the bound of a poll's body follows from its subjects and tokens", async (t) => {
  const { port, sessions } = await withEdge(t, { maxSubscriptions: 10 })
  const longest = Array.from({ length: 10 }, (_, i) => `${i}`.padEnd(255, 's'))
  const most = await postJson(port, '/v1/poll', { subjects: longest, after: 'A'.repeat(30_000), wait: 0 })
  assert.equal(most.status, 200)
  const more = await postJson(port, '/v1/poll', { subjects: new Array(50_000).fill('a') })
  assert.deepEqual([more.status, more.json.error.code], [413, 'frame_too_large'])
  assert.equal(sessions.opened.length, 1)
})

test('a waiting poll does not keep its request in memory', async (t) => {
  const { port, sessions } = await withEdge(t)
  void postJson(port, '/v1/poll', { subjects: ['a'], after: new Array(1000).fill('latest') }).catch(() => {})
  await until('it waits', () => sessions.opened.length === 1)
  const after = new WeakRef(sessions.last.after)
  sessions.last.after = []
  await until('it is gone', () => {
    collect()
    return after.deref() === undefined
  })
  sessions.last.outlet.caughtUp()
})

test('an answer holds at most its number of frames and bytes, but always one frame', async (t) => {
  const { port, sessions } = await withEdge(t, { maxPollFrames: 3, maxPollBytes: 1000 })
  const outcomes: number[] = []
  const poll = async (bodies: unknown[]) => {
    outcomes.length = 0
    const count = sessions.opened.length
    const answer = ask(port, '/v1/poll?subject=a&after=x')
    await until('it waits', () => sessions.opened.length > count)
    for (const body of bodies) outcomes.push(sessions.last.deliver('B', body))
    return (await answer).json.frames
  }
  assert.deepEqual(await poll([1, 2, 3]), [1, 2, 3])
  assert.deepEqual(outcomes, [1, 1, 0])
  assert.deepEqual(await poll(['small', 'x'.repeat(1000)]), ['small'])
  assert.deepEqual(outcomes, [1, 2])
  assert.deepEqual(await poll(['x'.repeat(5000), 'small']), ['x'.repeat(5000)])
  assert.deepEqual(outcomes, [1, 2])
})

test('an answer holds all gaps of a turn, however small its bounds, because with only some of them all would be due again', async (t) => {
  const { port, sessions } = await withEdge(t, { maxPollFrames: 3, maxPollBytes: 1000 })
  const answer = ask(port, '/v1/poll?subject=a&after=x')
  await until('it waits', () => sessions.opened.length === 1)
  const gaps = Array.from({ length: 5 }, (_, partition) => ({ partition, reason: 'x'.repeat(400) }))
  const outcomes = gaps.map((gap) => sessions.last.control(gap))
  outcomes.push(sessions.last.deliver('B', 'small'))
  assert.deepEqual(outcomes, [1, 1, 1, 1, 1, 2])
  assert.deepEqual((await answer).json.frames, gaps)
})

test('at the end of its wait, a poll is answered with the current position', async (t) => {
  const clock = new ManualClock()
  const { port, sessions } = await withEdge(t, {}, clock)
  let answered = false
  const answer = ask(port, '/v1/poll?subject=a&after=x&wait=3000').finally(() => {
    answered = true
  })
  await until('it waits', () => sessions.opened.length === 1)
  await clock.advance(2900)
  assert.equal(answered, false)
  sessions.last.position = 'MOVED'
  await clock.advance(200)
  assert.deepEqual((await answer).json, { frames: [], live: false, after: 'MOVED' })
})

test('a gateway that shuts down answers at once with the last position', async (t) => {
  const { port, sessions } = await withEdge(t)
  const answer = ask(port, '/v1/poll?subject=a&after=x')
  await until('it waits', () => sessions.opened.length === 1)
  sessions.last.position = 'gone with the session'
  sessions.last.outlet.end(new CarillonError('shutting_down', 'bye'))
  assert.deepEqual((await answer).json, { frames: [], live: false, after: 'AAAAAAAA' })
})

test("a gateway that shuts down in the turn of a frame answers with the poll's start position", async (t) => {
  const { port, sessions } = await withEdge(t)
  const answer = ask(port, '/v1/poll?subject=a&after=x')
  await until('it waits', () => sessions.opened.length === 1)
  sessions.last.deliver('B', { delivery: 1 })
  sessions.last.outlet.caughtUp()
  sessions.last.outlet.end(new CarillonError('shutting_down', 'bye'))
  assert.deepEqual((await answer).json, { frames: [], live: false, after: 'AAAAAAAA' })
})

test('a token, which may have a thousand positions, is built once per answer, not once per frame', async (t) => {
  const { port, sessions } = await withEdge(t)
  const answer = ask(port, '/v1/poll?subject=a&after=x')
  await until('it waits', () => sessions.opened.length === 1)
  const token = t.mock.method(sessions.last, 'token')
  for (let i = 0; i < 100; i++) sessions.last.deliver('B', { delivery: i })
  assert.equal((await answer).json.frames.length, 100)
  assert.equal(token.mock.callCount(), 1)
})

test('a poll that cannot begin is answered with the error', async (t) => {
  const { port, sessions } = await withEdge(t)
  sessions.onStart = (session) =>
    setImmediate(() => session.outlet.end(new CarillonError('broker_unavailable', 'away')))
  const away = await ask(port, '/v1/poll?subject=a&after=x')
  assert.equal(away.status, 503)
  assert.equal(away.headers['retry-after'], '1')
  sessions.onStart = () => {
    throw new CarillonError('bad_subject', 'no')
  }
  assert.equal((await ask(port, '/v1/poll?subject=..')).json.error.code, 'bad_subject')
  assert.deepEqual(sessions.last.closes, ['answered'])
  sessions.refusal = new CarillonError('overloaded', 'no room', { retryAfterMs: 4000 })
  const full = await ask(port, '/v1/poll?subject=a')
  assert.equal(full.status, 503)
  assert.equal(full.headers['retry-after'], '4')
})

test('a client that leaves ends its session', async (t) => {
  const { port, sessions } = await withEdge(t)
  const raw = new RawClient(port)
  raw.send('GET /v1/poll?subject=a&after=x HTTP/1.1', 'Host: localhost', '', '')
  await until('it waits', () => sessions.opened.length === 1)
  raw.socket.destroy()
  await until('the session knows', () => sessions.last.closes.length === 1)
  assert.deepEqual(sessions.last.closes, ['lost'])
})

test('one connection serves one poll after the other', async (t) => {
  const { port, sessions, edge } = await withEdge(t)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  for (let i = 0; i < 5; i++) await ask(port, '/v1/poll?subject=a', { agent })
  assert.equal(sessions.opened.length, 5)
  assert.equal(edge.counters.httpConnections, 1)
  agent.destroy()
})
