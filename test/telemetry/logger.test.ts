import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Clock } from '../../src/base/clock.ts'
import { createLogger, type Logger } from '../../src/telemetry/logger.ts'
import type { LoggerOptions } from '../../src/telemetry/options.ts'

const heldClock = (): Clock & { ms: number } => ({
  ms: 0,
  nowUs: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678) * 1000,
  monotonicMs() {
    return this.ms
  },
  after: () => () => {},
})

function logger(options: Partial<LoggerOptions> = {}, terminal = false) {
  const lines: string[] = []
  const clock = heldClock()
  const created: Logger = createLogger({ level: 'info', format: 'auto', terminal, ...options }, clock, {
    write: (line) => lines.push(line),
  })
  return { lines, clock, logger: created }
}

test('without a terminal each message is one JSON object per line with ISO time, level, message and fields', () => {
  const { lines, logger: log } = logger()
  log.log('warn', 'stream events is away', { partition: 3 })
  assert.ok(lines[0]!.endsWith('}\n'))
  assert.deepEqual(JSON.parse(lines[0]!), {
    level: 'warn',
    time: '2026-01-02T03:04:05.678Z',
    message: 'stream events is away',
    partition: 3,
  })
})

test('on a terminal each message is one line for people', () => {
  const { lines, logger: log } = logger({ format: 'text' })
  log.log('info', 'stream events is up', { partitions: 12, topic: 'two words', nested: { a: 1 } })
  assert.equal(lines[0], '03:04:05.678 INFO  stream events is up partitions=12 topic="two words" nested={"a":1}\n')
})

test('auto means text on a terminal', () => {
  const { lines, logger: log } = logger({}, true)
  log.log('error', 'broken')
  assert.match(lines[0]!, /^03:04:05\.678 .*ERROR.* broken\n$/)
})

test('an error is logged with its message and stack in both formats', () => {
  const error = new Error('connection refused')
  const json = logger()
  json.logger.log('error', 'broker away', { error })
  assert.equal(JSON.parse(json.lines[0]!).error.message, 'connection refused')
  const text = logger({ format: 'text' })
  text.logger.log('error', 'broker away', { error })
  assert.match(text.lines[0]!, /broker away error=.*connection refused/)
  assert.equal(text.lines[0]!.split('\n').length, 2, 'one line')
})

test('control characters of data are escaped in both formats', () => {
  for (const format of ['json', 'text'] as const) {
    const { lines, logger: log } = logger({ format })
    log.log('warn', 'key \u001b[2J\nforged line', { key: 'a\u001b[31m\r\n\u009b' })
    // biome-ignore lint/suspicious/noControlCharactersInRegex: matches them on purpose
    assert.doesNotMatch(lines[0]!.slice(0, -1), format === 'text' ? /[\u0000-\u001f\u007f-\u009f]/ : /[\u0000-\u001f]/)
  }
})

test('messages below the level are dropped', () => {
  const { lines, logger: log } = logger({ level: 'warn' })
  log.log('info', 'not shown')
  log.log('debug', 'not shown')
  assert.equal(lines.length, 0)
})

test('a repeated message is logged once per interval, with the number left out', () => {
  const { lines, clock, logger: log } = logger()
  for (let i = 0; i < 5; i++) log.every({ key: 'events misrouted', ms: 1000 }, 'warn', 'record skipped', { i })
  clock.ms = 999
  log.every({ key: 'events misrouted', ms: 1000 }, 'warn', 'record skipped')
  assert.equal(lines.length, 1)
  assert.equal(JSON.parse(lines[0]!).suppressed, undefined)
  clock.ms = 1000
  log.every({ key: 'events misrouted', ms: 1000 }, 'warn', 'record skipped', { i: 9 })
  assert.equal(lines.length, 2)
  assert.equal(JSON.parse(lines[1]!).suppressed, 5)
  assert.equal(JSON.parse(lines[1]!).i, 9)
})

test('different keys do not silence each other', () => {
  const { lines, logger: log } = logger()
  log.every({ key: 'a', ms: 1000 }, 'warn', 'one')
  log.every({ key: 'b', ms: 1000 }, 'warn', 'two')
  assert.equal(lines.length, 2)
})

test('the number of remembered keys is bounded: the oldest is forgotten', () => {
  const { lines, logger: log } = logger()
  for (let i = 0; i <= 1024; i++) log.every({ key: `key ${i}`, ms: 1e9 }, 'warn', 'once')
  log.every({ key: 'key 1024', ms: 1e9 }, 'warn', 'again')
  assert.equal(lines.length, 1025)
  log.every({ key: 'key 0', ms: 1e9 }, 'warn', 'again')
  assert.equal(lines.length, 1026)
})
