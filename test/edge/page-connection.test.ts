import assert from 'node:assert/strict'
import { beforeEach, mock, test } from 'node:test'

/**
 * The page's scripts are JavaScript without declarations, because browsers run them as they are.
 */
interface PageConnection {
  after: string[]
  start(subject: string, after: string): void
  resume(): void
  stop(): void
  connected(): void
  moved(token: string): void
  failed(error: Error, retryAfterMs?: number): void
  deliver(key: string, delivery: object): void
  gap(key: string, gap: object): void
}
interface ConnectionModule {
  Connection: new (listener: object) => PageConnection
  Refused: new (message: string) => Error
}
const { Connection, Refused }: ConnectionModule = await import(
  new URL('../../src/edge/page/connection.js', import.meta.url).href
)
const { quote } = await import(new URL('../../src/edge/page/commands.js', import.meta.url).href)

let told: string[] = []
let opened = 0

class FakeConnection extends Connection {
  open(): void {
    opened++
  }
  shut(): void {}
}

function connection() {
  return new FakeConnection({
    state: (state: string) => told.push(state),
    delivery: ({ offset }: { offset: number }) => told.push(`event ${offset}`),
    duplicate: () => told.push('duplicate'),
    gap: () => told.push('gap'),
    position: () => {},
    note: (text: string) => told.push(`note ${text.split(':')[0]}`),
  })
}

beforeEach(() => {
  told = []
  opened = 0
})

test('an event below the next offset of its partition is a duplicate', () => {
  const each = connection()
  each.deliver('0', { offset: 5 })
  each.deliver('0', { offset: 5 })
  each.deliver('0', { offset: 4 })
  each.deliver('1', { offset: 4 })
  each.deliver('0', { offset: 6 })
  assert.deepEqual(told, ['event 5', 'duplicate', 'duplicate', 'event 4', 'event 6'])
})

test('after a gap, lower offsets are new events again, because the log may be another one', () => {
  const each = connection()
  each.deliver('0', { offset: 5 })
  each.gap('0', {})
  each.deliver('0', { offset: 0 })
  assert.deepEqual(told, ['event 5', 'gap', 'event 0'])
})

test("a lost connection reconnects by itself, with a growing delay, and not before the gateway's retry time", () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  mock.method(Math, 'random', () => 0.5)
  try {
    const each = connection()
    each.start('a', 'latest')
    each.failed(new Error('gone'))
    mock.timers.tick(249)
    assert.equal(opened, 1)
    mock.timers.tick(1)
    assert.equal(opened, 2)
    each.failed(new Error('gone'))
    mock.timers.tick(499)
    assert.equal(opened, 2)
    mock.timers.tick(1)
    assert.equal(opened, 3)
    each.connected()
    each.failed(new Error('gone'), 3000)
    mock.timers.tick(3249)
    assert.equal(opened, 3)
    mock.timers.tick(1)
    assert.equal(opened, 4)
  } finally {
    mock.timers.reset()
    mock.restoreAll()
  }
})

test('a refusal is shown and not retried', () => {
  mock.timers.enable({ apis: ['setTimeout'] })
  try {
    const each = connection()
    each.start('a..b', 'latest')
    each.failed(new Refused('bad_subject: an empty token'))
    mock.timers.tick(60_000)
    assert.equal(opened, 1)
    assert.deepEqual(told.slice(-2), ['refused', 'note bad_subject'])
  } finally {
    mock.timers.reset()
  }
})

test('a resumed connection keeps its position, a new subscription does not', () => {
  const each = connection()
  each.start('a', 'latest')
  each.moved('token')
  each.deliver('0', { offset: 5 })
  each.stop()
  each.resume()
  each.deliver('0', { offset: 5 })
  assert.deepEqual(each.after, ['token'])
  assert.equal(told.at(-1), 'duplicate')
  each.start('b', 'earliest')
  each.deliver('0', { offset: 5 })
  assert.deepEqual(each.after, ['earliest'])
  assert.equal(told.at(-1), 'event 5')
})

test('command lines are quoted for a POSIX shell', () => {
  assert.equal(quote('demo.hello'), 'demo.hello')
  assert.equal(quote('demo.>'), "'demo.>'")
  assert.equal(quote("it's $HOME"), "'it'\\''s $HOME'")
  assert.equal(quote(''), "''")
})
