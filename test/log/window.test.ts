import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { type Appended, loaded, Window } from '../../src/log/window.ts'

interface Model {
  offset: number
  subject: string
  data: string
  epoch: number
}

function record(entry: Model, hash: (subject: string) => number): Appended {
  const buffer = Buffer.from(`<${entry.subject}|${entry.data}`)
  return {
    buffer,
    eventStart: 0,
    eventEnd: buffer.length,
    subjectAt: 1,
    subjectLength: Buffer.byteLength(entry.subject),
    traceBuffer: Buffer.from(`trace-${entry.offset}`),
    traceStart: entry.offset % 3 === 0 ? 0 : -1,
    traceEnd: `trace-${entry.offset}`.length,
    offset: entry.offset,
    timeMs: entry.offset * 10,
    epoch: entry.epoch,
    hash: hash(entry.subject),
  }
}

const out = loaded()
const view = (window: Window, ordinal: number): Model & { trace: string } => {
  window.load(ordinal, out)
  return {
    offset: out.offset,
    subject: out.buffer.toString('utf8', out.subjectStart, out.subjectEnd),
    data: out.buffer.toString('utf8', out.subjectEnd + 1, out.eventEnd),
    epoch: out.epoch,
    trace: out.traceStart < 0 ? '' : out.buffer.toString('utf8', out.traceStart, out.traceEnd),
  }
}

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      subject: fc.nat(25),
      size: fc.nat(60),
      hole: fc.nat(2),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('truncate' as const), back: fc.oneof(fc.nat(10), fc.nat(100)) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('lost' as const), length: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('epoch' as const) }) },
)

test('whatever happens to it, a window answers as a plain list would', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 120, size: 'max' }),
      fc.constantFrom(256, 1024, 4096),
      fc.constantFrom(2, 8, 16),
      fc.constantFrom(1, 3, 8, 1000),
      (steps, payloadBytes, entries, hashes) => {
        const hash = (subject: string) =>
          (Buffer.from(subject).reduce((sum, byte) => sum * 31 + byte, 7) % hashes) >>> 0
        const window = new Window({ payloadBytes, entries, seed: 1 })
        let log: Model[] = []
        let lost: { from: number; to: number }[] = []
        /** Where losses begin in which an epoch may begin unseen. */
        let unseen: number[] = []
        let epoch = 1
        let before = 0
        window.start(100, before)
        let next = 100
        for (const action of steps) {
          if (action.kind === 'append') {
            next += action.hole
            const entry = {
              offset: next++,
              subject: `s${'x'.repeat(action.subject)}`,
              data: 'd'.repeat(action.size % 40),
              epoch,
            }
            window.append(record(entry, hash))
            log.push(entry)
          } else if (action.kind === 'truncate') {
            next = Math.max(0, next - action.back)
            if (next < 100) before = -1
            window.truncate(next)
            log = log.filter(({ offset }) => offset < next)
            lost = lost.filter(({ from }) => from < next).map(({ from, to }) => ({ from, to: Math.min(to, next - 1) }))
            // What stands before the cut was seen up to there.
            unseen = unseen.filter((from) => log.some(({ offset }) => offset > from))
            epoch++
          } else if (action.kind === 'lost') {
            unseen.push(next)
            lost.push({ from: next, to: next + action.length - 1 })
            window.lost(next, next + action.length - 1, 'corrupt')
            next += action.length
          } else epoch++
          assert.equal(window.head, next)
          check(window, { log, lost, unseen }, before, hash)
        }
      },
    ),
    { numRuns: 600 },
  )
})

interface Truth {
  readonly log: readonly Model[]
  readonly lost: readonly { from: number; to: number }[]
  readonly unseen: readonly number[]
}

/** The epoch of the last record below `offset`; -1 where another one may have begun unseen. */
function generation({ log, unseen }: Truth, offset: number, before: number): number {
  const below = log.findLast((entry) => entry.offset < offset)
  const above = log.find((entry) => entry.offset >= offset)
  const isUnseen = unseen.some((from) => from < offset && from > (below?.offset ?? -1))
  if (isUnseen && (above === undefined || above.epoch !== below?.epoch)) return -1
  return below?.epoch ?? before
}

function check(window: Window, truth: Truth, before: number, hash: (subject: string) => number): void {
  const { log, lost } = truth
  const indexed = log.filter(({ offset }) => offset >= window.indexTail)
  assert.equal(window.indexed, indexed.length, 'the index is complete from its tail')
  assert.deepEqual(
    indexed.map((_, i) => window.offsetOf(window.indexOrdinal + i)),
    indexed.map(({ offset }) => offset),
  )
  const kept = log.filter(({ offset }) => offset >= window.tail)
  assert.equal(window.size, kept.length, 'complete from the tail')
  assert.ok(log.length === 0 || kept.length > 0 || window.size === 0)
  kept.forEach((entry, i) => {
    const trace = entry.offset % 3 === 0 ? `trace-${entry.offset}` : ''
    assert.deepEqual(view(window, window.tailOrdinal + i), { ...entry, trace })
    assert.equal(window.lowerBound(entry.offset), window.tailOrdinal + i)
    assert.equal(window.generationAt(entry.offset + 1), entry.epoch)
  })
  for (const value of new Set(log.map(({ subject }) => hash(subject)))) {
    const own = indexed.filter(({ subject }) => hash(subject) === value).map(({ offset }) => offset)
    const chain: number[] = []
    for (let at = window.newest(value); at >= 0; at = window.previous(at)) chain.unshift(window.offsetOf(at))
    assert.deepEqual(chain, own)
    const middle = own[Math.floor(own.length / 2)] ?? window.head
    for (const since of [window.indexTail, middle, middle + 1]) {
      const forward: number[] = []
      for (let at = window.firstSince(value, since); at >= 0; at = window.following(at)) {
        forward.push(window.offsetOf(at))
      }
      assert.deepEqual(
        forward,
        own.filter((offset) => offset >= since),
      )
    }
  }
  for (const offset of [window.tail, window.head]) {
    assert.equal(window.generationAt(offset), generation(truth, offset, before))
  }
  const remembered = lost.find(({ to }) => to >= window.tail)
  const { reason: _, ...told } = window.nextLost(window.tail) ?? { reason: '' }
  assert.deepEqual(told, remembered ?? {})
}

test('a token of an older epoch stops agreeing where the next epoch starts', () => {
  const window = new Window({ payloadBytes: 1024, entries: 16, seed: 1 })
  window.start(5, 1)
  const at = (offset: number, epoch: number) =>
    window.append(record({ offset, subject: 'a', data: '', epoch }, () => 1))
  at(5, 1)
  at(6, 1)
  at(8, 3)
  assert.deepEqual(
    [4, 5, 6, 7, 8, 9, 10].map((offset) => window.generationAt(offset)),
    [-1, 1, 1, 1, 1, 3, -1],
  )
  assert.deepEqual(
    [0, 1, 2, 3].map((epoch) => window.divergence(window.head, epoch)),
    [5, 8, 8, Number.POSITIVE_INFINITY],
  )
})

test('a window says when an append would evict, and refuses what it can never hold', () => {
  const window = new Window({ payloadBytes: 2048, entries: 4, seed: 1 })
  window.start(0, -1)
  assert.equal(window.hasRoom(1024), true)
  assert.equal(window.hasRoom(2048), false)
  for (let i = 0; i < 4; i++) window.append(record({ offset: i, subject: 'a', data: '', epoch: 0 }, () => 1))
  assert.equal(window.hasRoom(1), false)
  assert.equal(window.tail, 0)
  const huge = record({ offset: 9, subject: 'a', data: 'x'.repeat(4096), epoch: 0 }, () => 1)
  assert.throws(() => window.append(huge), { code: 'event_too_large' })
})

test('a window that says it has room does not evict for it, whichever lap it is on', () => {
  const step = fc.record({ size: fc.nat(200), back: fc.constantFrom(0, 0, 0, 1, 3) })
  const property = fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
    const window = new Window({ payloadBytes: 2048, entries: 16, seed: 1 })
    window.start(0, -1)
    for (const { size, back } of steps) {
      window.truncate(Math.max(window.tail, window.head - back))
      const entry = record({ offset: window.head, subject: 'a', data: 'd'.repeat(size), epoch: 0 }, () => 1)
      const room = window.hasRoom(entry.eventEnd)
      const { tail } = window
      window.append(entry)
      if (room) assert.equal(window.tail, tail)
    }
  })
  fc.assert(property, { numRuns: 300 })
})

test('a ring holds as many payloads as fit, lap after lap, and a cut log gives their room back', () => {
  const window = new Window({ payloadBytes: 128, entries: 16, seed: 1 })
  window.start(0, -1)
  const append = () => {
    const entry = record({ offset: window.head, subject: 'abc', data: '12345678901', epoch: 0 }, () => 1)
    window.append({ ...entry, traceStart: -1 })
  }
  for (let i = 1; i <= 20; i++) {
    append()
    assert.equal(window.size, Math.min(i, 4), 'four of 32 bytes, headers included')
    assert.equal(window.usedBytes, window.size * 32)
  }
  window.truncate(18)
  assert.equal(window.usedBytes, 64)
  append()
  append()
  assert.equal(window.tail, 16)
})

test('more losses than it remembers move the tail past the oldest, so that none is silent', () => {
  const window = new Window({ payloadBytes: 4096, entries: 256, seed: 1 })
  window.start(0, -1)
  for (let i = 0; i < 70; i++) {
    window.append(record({ offset: 2 * i, subject: 'a', data: '', epoch: 0 }, () => 1))
    window.lost(2 * i + 1, 2 * i + 1, 'corrupt')
  }
  assert.equal(window.tail, 12)
  assert.equal(window.nextLost(0)?.from, 13)
  assert.equal(window.size, 64)
})

test('an append below the head is a bug, not a duplicate', () => {
  const window = new Window({ payloadBytes: 1024, entries: 4, seed: 1 })
  window.start(7, -1)
  assert.throws(() => window.append(record({ offset: 6, subject: 'a', data: '', epoch: 0 }, () => 1)), /below the head/)
})
