import assert from 'node:assert/strict'
import test from 'node:test'
import { storedEntry } from '../../src/log/entry.ts'
import { dropReason } from '../../src/session/drops.ts'
import { encodeEvent } from '../../src/wire/envelope.ts'
import { smallWindow } from '../model/window.ts'

const subject = 'a'

interface Given {
  readonly collapseKey: string
  readonly bytes: number
  readonly ttlMs?: number
  readonly publishedAtUs?: number
}

/** Returns the reason for which the first of these events is left out. */
function firstOf(...events: readonly Given[]) {
  return firstAt(0, ...events)
}

/** As above, at a given time, Unix ms; all records have the time 0. */
function firstAt(nowMs: number, ...events: readonly Given[]) {
  const window = smallWindow({ payloadBytes: 1024, payloadSlabBytes: 1024, entries: 64 })
  window.start(0, -1)
  events.forEach(({ bytes, ...fields }, offset) => {
    const buffer = Buffer.from(encodeEvent({ subject, data: Buffer.alloc(bytes), ...fields }))
    const event = { buffer, eventStart: 0, eventEnd: buffer.length, subjectAt: 2, subjectLength: subject.length }
    const trace = { traceBuffer: buffer, traceStart: -1, traceEnd: -1 }
    window.append({ ...event, ...trace, offset, timeMs: 0, generation: 0, hash: 1 })
  })
  const first = storedEntry()
  window.load(window.tailOrdinal, first)
  assert.equal(first.offset, 0)
  return dropReason(first, window, window.tailOrdinal, { live: undefined, latest: false, nowMs })
}

test('an event is left out for a later one of its collapse key, and for none of another or without', () => {
  assert.equal(firstOf({ collapseKey: 'k', bytes: 10 }, { collapseKey: 'k', bytes: 10 }), 'collapsed')
  assert.equal(firstOf({ collapseKey: 'k', bytes: 10 }, { collapseKey: 'K', bytes: 10 }), undefined)
  assert.equal(firstOf({ collapseKey: 'k', bytes: 10 }, { collapseKey: '', bytes: 10 }), undefined)
  assert.equal(firstOf({ collapseKey: '', bytes: 10 }, { collapseKey: '', bytes: 10 }), undefined)
})

test('an event without a collapse key at the end of the ring, after one with a key, replaces none', () => {
  const [old, long, last] = [
    { collapseKey: 'k', bytes: 10 },
    { collapseKey: 'other', bytes: 500 },
    { collapseKey: '', bytes: 200 },
  ]
  assert.equal(firstOf(old, long, last), undefined)
})

test("the time to live counts from the record's time, whatever the publisher's clock says", () => {
  const event = { collapseKey: '', bytes: 10, ttlMs: 1000 }
  assert.equal(firstAt(999, event), undefined)
  assert.equal(firstAt(1000, event), 'ttl')
  assert.equal(firstAt(1000, { ...event, publishedAtUs: 900_000 }), 'ttl')
  assert.equal(firstAt(999, { ...event, publishedAtUs: 1 }), undefined)
})
