import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { type NewEntry, storedEntry } from '../../src/log/entry.ts'
import type { Window } from '../../src/log/window.ts'
import { smallWindow } from '../model/window.ts'

/** Generations that are times identify a rewritten log where there are no epochs. */

const nothing = Buffer.from('s')

function record(offset: number, epoch: number): NewEntry {
  const bounds = { eventStart: 0, eventEnd: 1, subjectAt: 0, subjectLength: 1, traceStart: -1, traceEnd: -1 }
  return { buffer: nothing, traceBuffer: nothing, ...bounds, offset, timeMs: 0, generation: epoch, hash: 1 }
}

function windowOf(records: readonly (readonly [offset: number, time: number])[], entries = 64): Window {
  const window = smallWindow({ payloadBytes: 1 << 16, entries, generations: 'times' })
  window.start(1, -1)
  for (const [offset, time] of records) window.append(record(offset, time))
  return window
}

test('the generation of a position is the time of the record right below it, or unknown', () => {
  const window = windowOf([
    [1, 100],
    [2, 200],
    [5, 500],
  ])
  window.advance(9)
  assert.deepEqual(
    [1, 2, 3, 4, 5, 6, 7, 9].map((offset) => window.generationAt(offset)),
    [-1, 100, 200, -1, -1, 500, -1, -1],
  )
  const out = storedEntry()
  window.load(2, out)
  assert.equal(out.generation, 500)
})

test('a position of another history diverges at the first record that is younger than the one below it', () => {
  const window = windowOf([
    [1, 100],
    [2, 200],
    [3, 900],
    [4, 900],
    [5, 950],
  ])
  // The position's holder saw 3, 4 and 5 of a log that was written between 200 and 900.
  assert.equal(window.divergence(6, 500), 3)
  assert.equal(window.divergence(5, 320), 3)
  assert.equal(window.divergence(4, 310), 3)
  // A record of the same millisecond as the last shared record belongs to both histories.
  assert.equal(window.divergence(6, 900), 5)
  // The same history, or nothing is known below it.
  assert.equal(window.divergence(4, 900), Number.POSITIVE_INFINITY)
  assert.equal(window.divergence(1, 70), Number.POSITIVE_INFINITY)
})

test('a position younger than the first record above it is of another history', () => {
  const window = windowOf([
    [10, 1000],
    [11, 2000],
  ])
  assert.deepEqual(
    [999, 1000, 1001, 2500].map((time) => window.hasOlder(5, time)),
    [false, false, true, true],
  )
  assert.deepEqual([window.hasOlder(11, 1500), window.hasOlder(12, 9999)], [false, false])
  assert.equal(windowOf([]).hasOlder(0, 1), false)
})

test('a position ahead of the log is of another history if the log has records younger than the position', () => {
  const window = windowOf([
    [1, 100],
    [2, 200],
    [3, 900],
  ])
  assert.equal(window.divergence(60, 500), 3)
  assert.equal(window.divergence(60, 70), 1)
  assert.equal(window.divergence(60, 900), Number.POSITIVE_INFINITY)
})

test('times are compared across the end of their 32 bits', () => {
  const window = windowOf([
    [1, 2 ** 32 - 20],
    [2, 2 ** 32 - 10],
    [3, 30],
  ])
  assert.equal(window.divergence(4, 5), 3)
  assert.equal(window.divergence(4, 2 ** 32 - 15), 2)
})

test('generations stay right after a rewrite and eviction', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 40 }), (length, keep) => {
      const window = windowOf([], 16)
      const times = new Map<number, number>()
      const write = (offset: number, time: number) => {
        window.append(record(offset, time))
        times.set(offset, time)
      }
      for (let offset = 1; offset <= length; offset++) write(offset, offset * 10)
      const from = Math.min(keep, length)
      window.truncate(from)
      for (let offset = from; offset <= length; offset++) write(offset, 1000 + offset)
      for (let offset = window.indexTail; offset < window.head; offset++) {
        assert.equal(window.generationAt(offset + 1), times.get(offset))
      }
      // A position at the old end is cut back to the start of the rewrite, as far as the index
      // reaches.
      assert.equal(window.divergence(length + 1, length * 10), Math.max(from, window.indexTail))
    }),
  )
})

test('after readers must read everything again, the generation of each record is still known, up to a cut of the log', () => {
  const again = {
    forget: (window: Window) => window.forget(),
    losses: (window: Window) => {
      for (let i = 0; i < 65; i++) window.lost(window.head, window.head, 'corrupt')
      window.lost(window.head, window.head, 'corrupt')
    },
  }
  for (const anew of Object.values(again)) {
    const window = windowOf([
      [1, 100],
      [2, 200],
      [3, 900],
      [4, 950],
    ])
    anew(window)
    assert.ok(window.tail > 4 && window.indexTail > 4)
    assert.equal(window.newest(1), -1)
    assert.equal(window.generationAt(5), 950)
    assert.equal(window.divergence(5, 310), 3)
    assert.equal(window.divergence(5, 950), Number.POSITIVE_INFINITY)
    window.append(record(window.head, 960))
    assert.equal(window.divergence(window.head, 310), 3)
    assert.deepEqual([window.indexed, window.previous(window.newest(1))], [1, -1])
    window.truncate(4)
    assert.equal(window.generationAt(5), -1)
    window.append(record(4, 990))
    assert.deepEqual([window.generationAt(4), window.generationAt(5)], [900, 990])
    assert.equal(window.divergence(5, 950), 4)
    assert.deepEqual([window.indexed, window.previous(window.newest(1))], [1, -1])
  }
})

test("a record that this gateway can't use has its time, and may be the first of another history", () => {
  const window = windowOf([
    [1, 100],
    [2, 200],
  ])
  window.advance(4, 900)
  assert.equal(window.generationAt(4), 900)
  assert.equal(window.divergence(4, 310), 3)
  assert.equal(window.divergence(4, 900), Number.POSITIVE_INFINITY)
  window.append(record(4, 950))
  assert.equal(window.divergence(60, 310), 3)
  assert.equal(window.divergence(5, 310), 3)
  window.truncate(3)
  window.advance(4)
  assert.equal(window.generationAt(4), -1, 'it went with the log that was cut')
  window.advance(5, 980)
  window.start(1, -1)
  window.advance(5)
  assert.equal(window.generationAt(5), -1, 'it was of another log')
  window.start(1, -1)
  window.advance(4, 990)
  assert.equal(window.divergence(4, 310), 3, 'nothing is known of what lies below')
})

test("times are kept for the newest 256 records that this gateway can't use", () => {
  const window = windowOf([])
  for (let offset = 1; offset <= 300; offset++) window.advance(offset + 1, offset)
  assert.deepEqual(
    [44, 45, 46, 301].map((offset) => window.generationAt(offset)),
    [-1, -1, 45, 300],
  )
})

test('a rewritten log is in doubt from the loss right below the place where it was noticed, not from an earlier loss', () => {
  const window = windowOf([
    [1, 100],
    [2, 200],
  ])
  window.lost(3, 4, 'corrupt')
  window.lost(6, 7, 'corrupt')
  window.append(record(8, 800))
  window.append(record(9, 900))
  assert.equal(window.doubtfulFrom(8, 500), 3, 'nothing below was read, down to a record')
  assert.equal(window.doubtfulFrom(9, 850), 9)
  assert.equal(window.doubtfulFrom(2, 150), 2)
  assert.equal(window.doubtfulFrom(1, 50), 0, 'nothing is known below')
})

test('another history may begin between records a second apart, also where times wrap, and after an unknown generation', () => {
  const window = windowOf([])
  const pairs = [
    [5000, 5999],
    [5000, 6000],
    [2 ** 32 - 500, 499],
    [2 ** 32 - 500, 500],
    [-1, 5000],
  ] as const
  assert.deepEqual(
    pairs.map(([before, after]) => window.mayBegin(before, after)),
    [false, true, false, true, true],
  )
})
