import assert from 'node:assert/strict'
import test from 'node:test'
import { storedEntry } from '../../src/log/entry.ts'
import type { Window } from '../../src/log/window.ts'
import { Matcher, type ScanBudget } from '../../src/session/matcher.ts'
import type { Leg } from '../../src/session/subscription.ts'
import { subjectBytes } from '../../src/subject/bytes.ts'
import { isPattern } from '../../src/subject/subject.ts'
import { smallWindow } from '../model/window.ts'

/** Hashes to the first letter's code: subjects with the same first letter share a hash. */
const hashOf = (subject: string) => subject.charCodeAt(0)

function windowOf(subjects: readonly string[], payloadBytes = 65_536): Window {
  const window = smallWindow({ payloadBytes, payloadSlabBytes: 24, entries: 8192 })
  window.start(0, -1)
  const none = Buffer.alloc(0)
  subjects.forEach((subject, offset) => {
    const buffer = Buffer.from(subject)
    const event = { buffer, eventStart: 0, eventEnd: buffer.length, subjectAt: 0, subjectLength: buffer.length }
    const trace = { traceBuffer: none, traceStart: -1, traceEnd: -1 }
    window.append({ ...event, ...trace, offset, timeMs: 0, generation: 0, hash: hashOf(subject) })
  })
  return window
}

function matcherOf(...subjects: readonly string[]): Matcher {
  const matcher = new Matcher()
  for (const subject of subjects) {
    const pattern = isPattern(subject)
    const bytes = subjectBytes(subject)
    const subscription = { ref: 1, subject, pattern, bytes, hash: hashOf(subject), legs: [], joining: 0, closed: false }
    matcher.add({ subscription, feed: undefined, membership: undefined } as unknown as Leg)
  }
  return matcher
}

const plenty = (): ScanBudget => ({ left: 1_000_000, stoppedAt: 0 })

function wanted(matcher: Matcher, window: Window, offset: number, look = plenty()): number[] {
  const scratch = storedEntry()
  const offsets: number[] = []
  let ordinal = matcher.first(window, offset, scratch, look)
  for (; ordinal >= 0; ordinal = matcher.following(window, ordinal, scratch, look))
    offsets.push(window.offsetOf(ordinal))
  if (ordinal === -2) offsets.push(-look.stoppedAt)
  return offsets
}

test('subjects that share a hash share a chain, and each gets only its own records', () => {
  const window = windowOf(['aa', 'ab', 'b', 'aa', 'ab', 'ab', 'aa'])
  assert.deepEqual(wanted(matcherOf('aa'), window, 0), [0, 3, 6])
  assert.deepEqual(wanted(matcherOf('ab'), window, 2), [4, 5])
  assert.deepEqual(wanted(matcherOf('ac'), window, 0), [])
  assert.deepEqual(wanted(matcherOf('aa', 'b'), window, 1), [2, 3, 6])
  assert.deepEqual(wanted(matcherOf('>'), window, 5), [5, 6])
})

test('the index says where the next record may be, or that there is none, without a payload', () => {
  const window = windowOf(['a', 'b', 'c', 'c', 'c', 'b', 'c'], 64)
  assert.ok(window.tail > 3, 'the first payloads are gone')
  assert.equal(matcherOf('a').skipTo(window, 0), 0)
  assert.equal(matcherOf('a').skipTo(window, 1), 7, 'nothing: the head')
  assert.equal(matcherOf('b').skipTo(window, 2), 5)
  assert.equal(matcherOf('a', 'b').skipTo(window, 1), 1)
  assert.equal(matcherOf('b', 'c').skipTo(window, 2), 2)
  assert.equal(matcherOf('*').skipTo(window, 2), 2, 'a pattern has no hash')
})

test('a subject with very many records is scanned for in slices instead of walked back at once', () => {
  const window = windowOf(['b', ...new Array<string>(5000).fill('a')], 1 << 20)
  const matcher = matcherOf('a')
  assert.equal(window.firstSince(hashOf('a'), 0), -2)
  assert.equal(matcher.skipTo(window, 0), 0)
  assert.deepEqual(wanted(matcher, window, 0, { left: 1, stoppedAt: 0 }), [-1])
  assert.deepEqual(wanted(matcher, window, 4999), [4999, 5000])
})

test('a slice ends when its budget is used up, also among other subjects of the same hash', () => {
  const window = windowOf(['aa', ...new Array<string>(100).fill('ab'), 'aa'])
  assert.deepEqual(wanted(matcherOf('aa'), window, 1, { left: 10, stoppedAt: 0 }), [-11])
})

test('a slice is shorter if each record is matched against many patterns', () => {
  const window = windowOf(new Array<string>(200).fill('a'))
  const slice = { left: 128, stoppedAt: 0 }
  assert.deepEqual(wanted(matcherOf('z.*'), window, 0, { ...slice }), [-128])
  assert.deepEqual(wanted(matcherOf(...new Array<string>(320).fill('z.*')), window, 0, { ...slice }), [-12])
})

test('the more subjects are looked up in the index, the fewer steps each may take', () => {
  const letters = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ012345678']
  const window = windowOf(['!', ...Array.from({ length: 100 }, () => letters).flat()], 1 << 24)
  let steps = 0
  const firstSince = window.firstSince.bind(window)
  window.firstSince = (hash, offset, most = 4096) => {
    steps += most
    return firstSince(hash, offset, most)
  }
  matcherOf(...letters).skipTo(window, 0)
  assert.ok(steps <= 16_384, `${steps} steps`)
})
