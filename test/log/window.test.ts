import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { type NewEntry, storedEntry } from '../../src/log/entry.ts'
import type { Generations } from '../../src/log/record.ts'
import { Window } from '../../src/log/window.ts'
import { WindowPool } from '../../src/log/window-pool.ts'
import { smallWindow } from '../model/window.ts'

interface Model {
  offset: number
  subject: string
  data: string
  epoch: number
}

function record(entry: Model, hash: (subject: string) => number): NewEntry {
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
    generation: entry.epoch,
    hash: hash(entry.subject),
  }
}

const out = storedEntry()
const view = (window: Window, ordinal: number): Model & { trace: string } => {
  window.load(ordinal, out)
  return {
    offset: out.offset,
    subject: out.buffer.toString('utf8', out.subjectStart, out.subjectEnd),
    data: out.buffer.toString('utf8', out.subjectEnd + 1, out.eventEnd),
    epoch: out.generation,
    trace: out.traceStart < 0 ? '' : out.buffer.toString('utf8', out.traceStart, out.traceEnd),
  }
}

const step = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.record({
      kind: fc.constant('append' as const),
      subject: fc.nat(25),
      size: fc.nat(60),
      hole: fc.nat(2),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('truncate' as const), back: fc.oneof(fc.nat(10), fc.nat(100)) }),
  },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('lost' as const), length: fc.integer({ min: 1, max: 4 }) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant('epoch' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('start' as const, 'forget' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** One window, and a plain list as the model of its log. */
class Pair {
  readonly window: Window
  readonly hash: (subject: string) => number
  readonly generations: Generations
  log: Model[] = []
  lost: { from: number; to: number }[] = []
  /** Starts of losses that may hide the start of an epoch. */
  unseen: number[] = []
  epoch = 1
  before = 0
  next = 100

  constructor(window: Window, hash: (subject: string) => number, generations: Generations) {
    this.generations = generations
    this.window = window
    this.hash = hash
    this.restart()
  }

  restart(): void {
    this.log = []
    this.lost = []
    this.unseen = []
    this.before = 0
    this.next = 100
    this.window.start(this.next, this.before)
  }

  act(action: Step): void {
    const { window } = this
    if (action.kind === 'append') this.#append(action.subject, action.size, action.hole)
    else if (action.kind === 'truncate') this.#truncate(action.back)
    else if (action.kind === 'forget') window.forget()
    else if (action.kind === 'start') this.restart()
    else if (action.kind === 'lost') {
      this.unseen.push(this.next)
      this.lost.push({ from: this.next, to: this.next + action.length - 1 })
      window.lost(this.next, this.next + action.length - 1, 'corrupt')
      this.next += action.length
    } else this.epoch++
    assert.equal(window.head, this.next)
  }

  #append(subject: number, size: number, hole: number): void {
    const offset = this.next + hole
    this.next = offset + 1
    const entry = { offset, subject: `s${'x'.repeat(subject)}`, data: 'd'.repeat(size % 40), epoch: this.epoch }
    this.window.append(record(entry, this.hash))
    this.log.push(entry)
  }

  #truncate(back: number): void {
    this.next = Math.max(0, this.next - back)
    const { next } = this
    if (next < 100) this.before = -1
    this.window.truncate(next)
    this.log = this.log.filter(({ offset }) => offset < next)
    this.lost = this.lost
      .filter(({ from }) => from < next)
      .map(({ from, to }) => ({ from, to: Math.min(to, next - 1) }))
    // A loss below a remaining record hides nothing: the epoch of that record is knexpected.
    this.unseen = this.unseen.filter((from) => this.log.some(({ offset }) => offset > from))
    this.epoch++
  }

  check(): void {
    check(this.window, this, this.hash)
    if (this.generations === 'ranges') checkEpochs(this.window, this, this.before)
  }
}

const poolSize = fc.record({
  payloadSlabBytes: fc.constantFrom(128, 256, 1024),
  payloadSlabs: fc.integer({ min: 1, max: 6 }),
  slabEntries: fc.constantFrom(1, 2, 4, 16),
  indexSlabs: fc.integer({ min: 1, max: 6 }),
  generations: fc.constantFrom('ranges' as const, 'times' as const),
})

test('windows that share a pool answer as a plain list would, within the budgets, after any steps', () => {
  const hashesOf = fc.constantFrom(1, 3, 8, 1000)
  const steps = fc.array(fc.tuple(fc.nat(3), step), { maxLength: 150, size: 'max' })
  const property = fc.property(
    steps,
    poolSize,
    fc.integer({ min: 1, max: 4 }),
    hashesOf,
    (steps, size, count, hashes) => {
      const { payloadSlabBytes, payloadSlabs, slabEntries, indexSlabs, generations } = size
      let nowMs = 0
      const budgets = { payloadBytes: payloadSlabs * payloadSlabBytes, payloadSlabBytes, slabEntries, generations }
      const pool = new WindowPool({ ...budgets, entries: indexSlabs * slabEntries }, () => nowMs++)
      const hash = (subject: string) => (Buffer.from(subject).reduce((sum, byte) => sum * 31 + byte, 7) % hashes) >>> 0
      const pairs = Array.from({ length: count }, () => new Pair(new Window(pool), hash, generations))
      for (const [which, action] of steps) {
        pairs[which % count]!.act(action)
        for (const pair of pairs) pair.check()
        checkPool(pool, pairs)
      }
      for (const { window } of pairs) window.close()
      assert.deepEqual([pool.payloads.tier.free, pool.entries.tier.free], [payloadSlabs, indexSlabs])
    },
  )
  fc.assert(property, { numRuns: 600 })
})

/**
 * Each slab is free or held by one window. No window holds an empty slab, except the one it is
 * filling.
 */
function checkPool({ payloads, entries }: WindowPool, pairs: readonly Pair[]): void {
  const sum = (of: (window: Window) => number) => pairs.reduce((total, { window }) => total + of(window), 0)
  assert.equal(sum(({ payloadSlabs }) => payloadSlabs) + payloads.tier.free, payloads.tier.size)
  assert.equal(sum(({ indexSlabs }) => indexSlabs) + entries.tier.free, entries.tier.size)
  for (const { window } of pairs) {
    assert.ok(window.usedBytes <= window.payloadSlabs * payloads.slabBytes)
    assert.ok(window.payloadSlabs <= window.size)
    assert.ok(window.indexed <= window.indexSlabs << entries.shift)
    // Entries keep their times after they become invisible to readers.
    if (entries.times === undefined) assert.ok(window.indexSlabs <= window.indexed + 1)
  }
}

interface Truth {
  readonly log: readonly Model[]
  readonly lost: readonly { from: number; to: number }[]
  readonly unseen: readonly number[]
}

/**
 * Returns the epoch of the last record below `offset`; -1 where another epoch may have begun
 * unseen.
 */
function generation({ log, unseen }: Truth, offset: number, before: number): number {
  const below = log.findLast((entry) => entry.offset < offset)
  const above = log.find((entry) => entry.offset >= offset)
  const isUnseen = unseen.some((from) => from < offset && from > (below?.offset ?? -1))
  if (isUnseen && (above === undefined || above.epoch !== below?.epoch)) return -1
  return below?.epoch ?? before
}

function check(window: Window, truth: Truth, hash: (subject: string) => number): void {
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
    const expected = indexed.filter(({ subject }) => hash(subject) === value).map(({ offset }) => offset)
    const chain: number[] = []
    for (let at = window.newest(value); at >= 0; at = window.previous(at)) chain.unshift(window.offsetOf(at))
    assert.deepEqual(chain, expected)
    const middle = expected[Math.floor(expected.length / 2)] ?? window.head
    for (const since of [window.indexTail, middle, middle + 1]) {
      const forward: number[] = []
      for (let at = window.firstSince(value, since); at >= 0; at = window.following(at)) {
        forward.push(window.offsetOf(at))
      }
      assert.deepEqual(
        forward,
        expected.filter((offset) => offset >= since),
      )
    }
  }
  const remembered = lost.find(({ to }) => to >= window.tail)
  const { reason: _, ...found } = window.nextLost(window.tail) ?? { reason: '' }
  assert.deepEqual(found, remembered ?? {})
}

function checkEpochs(window: Window, truth: Truth, before: number): void {
  for (const offset of [window.tail, window.head]) {
    assert.equal(window.generationAt(offset), generation(truth, offset, before))
  }
}

test('a token of an older epoch stops agreeing where the next epoch starts', () => {
  const window = smallWindow({ payloadBytes: 1024, entries: 16 })
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

test('an offset that is passed without a record has an epoch, which is the generation of the next position', () => {
  const window = smallWindow({ payloadBytes: 1024, entries: 16 })
  window.start(5, 1)
  window.advance(8, 3)
  assert.deepEqual(
    [7, 8, 9].map((offset) => window.generationAt(offset)),
    [1, 3, -1],
  )
})

test('a window predicts whether an append would evict, and refuses an event that never fits', () => {
  const window = smallWindow({ payloadBytes: 2048, payloadSlabBytes: 2048, entries: 4 })
  window.start(0, -1)
  assert.equal(window.hasRoom(1024), true)
  assert.equal(window.hasRoom(2048), false)
  for (let i = 0; i < 4; i++) window.append(record({ offset: i, subject: 'a', data: '', epoch: 0 }, () => 1))
  assert.equal(window.hasRoom(1), false)
  assert.equal(window.tail, 0)
  const huge = record({ offset: 9, subject: 'a', data: 'x'.repeat(4096), epoch: 0 }, () => 1)
  assert.throws(() => window.append(huge), { code: 'event_too_large' })
})

test('after a positive hasRoom, the append evicts nothing, on any lap', () => {
  const step = fc.record({ size: fc.nat(200), back: fc.constantFrom(0, 0, 0, 1, 3) })
  const property = fc.property(fc.array(step, { maxLength: 60, size: 'max' }), (steps) => {
    const window = smallWindow({ payloadBytes: 2048, entries: 16 })
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

test('a ring holds as many payloads as fit, lap after lap, and a truncated log frees their room', () => {
  const window = smallWindow({ payloadBytes: 128, entries: 16 })
  window.start(0, -1)
  const append = () => {
    const entry = record({ offset: window.head, subject: 'abc', data: '12345678901', epoch: 0 }, () => 1)
    window.append({ ...entry, traceStart: -1 })
  }
  for (let i = 1; i <= 20; i++) {
    append()
    assert.equal(window.size, Math.min(i, 4), 'four payloads of 32 bytes, including headers')
    assert.equal(window.usedBytes, window.size * 32)
  }
  window.truncate(18)
  assert.equal(window.usedBytes, 64)
  append()
  append()
  assert.equal(window.tail, 16)
})

test('when a window forgets a loss, its tail moves past it, so no loss goes unreported', () => {
  const window = smallWindow({ payloadBytes: 4096, entries: 256 })
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
  const window = smallWindow({ payloadBytes: 1024, entries: 4 })
  window.start(7, -1)
  assert.throws(() => window.append(record({ offset: 6, subject: 'a', data: '', epoch: 0 }, () => 1)), /below the head/)
})
