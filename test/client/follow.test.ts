import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection, Handlers, Open, Refusal, Wish } from '../../src/client/connection.ts'
import { Follower, type FollowOptions, type Listener } from '../../src/client/follow.ts'
import { type Delivery, makeEvent } from '../../src/wire/frames.ts'
import { encodePosition, streamHash } from '../../src/wire/token.ts'
import { ManualClock } from '../model/clock.ts'

const log = streamHash('events', 'one')
const token = (offset: number) => encodePosition({ streamHash: log, partition: 0, offset, generation: 0 })

function delivery(subject: string, offset: number, refs?: number[]): Delivery {
  return { kind: 'delivery', after: token(offset + 1), partition: 0, offset, event: makeEvent({ subject }), refs }
}

interface Opened {
  readonly wishes: readonly Wish[]
  readonly handlers: Handlers
  closed: boolean
}

/** A follower whose connections the test plays, and what it told. */
function followed(subjects: readonly string[], options: Partial<FollowOptions> = {}) {
  const opened: Opened[] = []
  const open: Open = (_gateway, wishes, handlers): Connection => {
    const one: Opened = { wishes, handlers, closed: false }
    opened.push(one)
    return {
      close() {
        one.closed = true
      },
    }
  }
  const told: unknown[] = []
  const listener: Listener = {
    event: ({ event, offset }) => told.push([event.subject, offset]),
    gap: ({ reason }) => told.push(reason),
    live: () => told.push('live'),
    waiting: (refused, pauseMs) => told.push({ waiting: refused?.code ?? 'lost', pauseMs }),
    ended: ({ code }) => told.push({ ended: code }),
  }
  const clock = new ManualClock()
  const random = { next: () => 0.5 }
  const given: FollowOptions = {
    gateway: 'http://gateway.example',
    transport: 'ws',
    after: [],
    open,
    random,
    clock,
    ...options,
  }
  const follower = new Follower(subjects, given, listener)
  return { follower, opened, told, clock }
}

const refused = (code: string, retryAfterMs: number, final: boolean): Refusal => ({
  code,
  message: '',
  retryAfterMs,
  final,
})

test('each subject starts where it was asked to', () => {
  const { opened } = followed(['a', 'b.*'], { after: ['earliest'] })
  assert.deepEqual(opened[0]!.wishes, [
    { ref: 1, subject: 'a', after: ['earliest'] },
    { ref: 2, subject: 'b.*', after: ['earliest'] },
  ])
})

test('after a loss it connects again, and goes on behind the last event of each subject', async () => {
  const { opened, told, clock } = followed(['a', 'b'])
  const { handlers } = opened[0]!
  handlers.frame({ kind: 'subscribed', ref: 1, after: token(3) })
  handlers.frame({ kind: 'subscribed', ref: 2, after: token(3) })
  handlers.frame({ kind: 'live', ref: 1 })
  handlers.frame({ kind: 'live', ref: 2 })
  handlers.frame(delivery('a', 7, [1]))
  handlers.closed(undefined)
  assert.deepEqual(told, ['live', ['a', 7], { waiting: 'lost', pauseMs: 125 }])
  await clock.advance(124)
  assert.equal(opened.length, 1)
  await clock.advance(1)
  assert.deepEqual(
    opened[1]!.wishes.map(({ after }) => after),
    [[token(8)], [token(3)]],
  )
})

test('an event that comes again after a reconnect is told once', async () => {
  const { opened, told, clock } = followed(['a'])
  opened[0]!.handlers.frame({ kind: 'subscribed', ref: 1, after: token(0) })
  opened[0]!.handlers.frame(delivery('a', 0, [1]))
  opened[0]!.handlers.closed(undefined)
  await clock.advance(1000)
  opened[1]!.handlers.frame(delivery('a', 0, [1]))
  opened[1]!.handlers.frame(delivery('a', 1, [1]))
  assert.deepEqual(told.filter(Array.isArray), [
    ['a', 0],
    ['a', 1],
  ])
})

test('live is told when all subjects are, and again after a reconnect', async () => {
  const { opened, told, clock } = followed(['a', 'b'])
  opened[0]!.handlers.frame({ kind: 'live', ref: 2 })
  assert.deepEqual(told, [])
  opened[0]!.handlers.frame({ kind: 'live', ref: 1 })
  assert.deepEqual(told, ['live'])
  opened[0]!.handlers.closed(undefined)
  await clock.advance(1000)
  opened[1]!.handlers.frame({ kind: 'live', ref: 1 })
  opened[1]!.handlers.frame({ kind: 'live', ref: 2 })
  assert.deepEqual(
    told.filter((each) => each === 'live'),
    ['live', 'live'],
  )
})

test('it waits as long as the gateway asked for, and longer with each failure in a row', async () => {
  const { opened, told, clock } = followed(['a'])
  opened[0]!.handlers.closed(refused('overloaded', 9000, false))
  await clock.advance(8999)
  assert.equal(opened.length, 1)
  await clock.advance(1)
  opened[1]!.handlers.closed(undefined)
  await clock.advance(250)
  opened[2]!.handlers.closed(undefined)
  assert.deepEqual(told, [
    { waiting: 'overloaded', pauseMs: 9000 },
    { waiting: 'lost', pauseMs: 250 },
    { waiting: 'lost', pauseMs: 500 },
  ])
})

test('a connection that works starts the back-off over', async () => {
  const { opened, told, clock } = followed(['a'])
  opened[0]!.handlers.closed(undefined)
  await clock.advance(1000)
  opened[1]!.handlers.frame({ kind: 'subscribed', ref: 1, after: token(0) })
  opened[1]!.handlers.closed(undefined)
  assert.deepEqual(told.at(-1), { waiting: 'lost', pauseMs: 125 })
})

test('a refusal for ever ends it', async () => {
  const { opened, told, clock } = followed(['a'])
  opened[0]!.handlers.closed(refused('bad_token', 0, true))
  await clock.advance(100_000)
  assert.deepEqual(told, [{ ended: 'bad_token' }])
  assert.equal(opened.length, 1)
})

test('an error about one subject ends the connection, and all start over or none', async () => {
  const { opened, told, clock } = followed(['a', 'b'])
  const error = { kind: 'error', ref: 2, code: 'stream_missing', message: '', retryAfterMs: 700 } as const
  opened[0]!.handlers.frame(error)
  assert.equal(opened[0]!.closed, true)
  assert.deepEqual(told, [{ waiting: 'stream_missing', pauseMs: 700 }])
  await clock.advance(700)
  opened[1]!.handlers.frame({ ...error, code: 'no_route' })
  assert.deepEqual(told.at(-1), { ended: 'no_route' })
})

test('once it is closed, nothing is told and nothing is opened', async () => {
  const { follower, opened, told, clock } = followed(['a'])
  opened[0]!.handlers.closed(undefined)
  told.length = 0
  follower.close()
  await clock.advance(100_000)
  opened[0]!.handlers.frame(delivery('a', 0, [1]))
  assert.deepEqual(told, [])
  assert.equal(opened.length, 1)
})

test('a listener may close it from within', async () => {
  const abort = new AbortController()
  const { opened, told, clock } = followed(['a'], { signal: abort.signal })
  opened[0]!.handlers.frame(delivery('a', 0, [1]))
  abort.abort()
  opened[0]!.handlers.frame(delivery('a', 1, [1]))
  opened[0]!.handlers.closed(undefined)
  await clock.advance(100_000)
  assert.deepEqual(told, [['a', 0]])
  assert.equal(opened[0]!.closed, true)
})

test('over SSE and poll all subjects go on at the one token', async () => {
  for (const transport of ['sse', 'poll'] as const) {
    const { follower, opened, clock } = followed(['a', 'b'], { transport, after: ['earliest'] })
    opened[0]!.handlers.frame({ ...delivery('a', 4), stream: 'events' })
    opened[0]!.handlers.position(token(6))
    assert.equal(follower.token(), token(6))
    opened[0]!.handlers.closed(undefined)
    await clock.advance(1000)
    assert.deepEqual(
      opened[1]!.wishes.map(({ after }) => after),
      [[token(6)], [token(6)]],
    )
  }
})

test('what follows a gap that goes back is told, though its offsets were told before', () => {
  const { opened, told } = followed(['a'])
  const { handlers } = opened[0]!
  handlers.frame({ kind: 'live', ref: 1 })
  handlers.frame(delivery('a', 3))
  const gap = {
    kind: 'gap',
    stream: 'events',
    partition: 0,
    from: 2,
    to: 3,
    reason: 'rewritten',
    certain: false,
  } as const
  handlers.frame({ ...gap, after: token(2) })
  handlers.frame(delivery('a', 2))
  handlers.frame(delivery('a', 3))
  assert.deepEqual(told, ['live', ['a', 3], 'rewritten', ['a', 2], ['a', 3]])
})

test('a paused follower holds no connection, and goes on where it stopped', async () => {
  const { follower, opened, told, clock } = followed(['a'])
  opened[0]!.handlers.frame(delivery('a', 3, [1]))
  follower.pause()
  assert.equal(opened[0]!.closed, true)
  opened[0]!.handlers.frame(delivery('a', 4, [1]))
  opened[0]!.handlers.closed(undefined)
  await clock.advance(100_000)
  assert.equal(opened.length, 1)
  follower.resume()
  assert.deepEqual(opened[1]!.wishes[0]!.after, [token(4)])
  assert.deepEqual(told, [['a', 3]])
})
