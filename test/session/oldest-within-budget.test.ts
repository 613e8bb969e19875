import assert from 'node:assert/strict'
import test from 'node:test'
import type { Window } from '../../src/log/window.ts'
import { oldestWithinBudget } from '../../src/session/oldest-within-budget.ts'
import { smallWindow } from '../model/window.ts'

const [rare, often] = [1, 2]
const eventBytes = 84
/** Including the ring's header. */
const recordBytes = 104
const inMemory = 10
const chunkBytes = 1000

/**
 * 1,000 records, of which the last 512 are in the index and the last ten in memory; every
 * hundredth is of the rare subject.
 */
function windowOf(): Window {
  const window = smallWindow({
    payloadBytes: inMemory * recordBytes,
    payloadSlabBytes: recordBytes,
    entries: 512,
    slabEntries: 1,
  })
  window.start(0, -1)
  const none = Buffer.alloc(0)
  for (let offset = 0; offset < 1000; offset++) {
    const event = {
      buffer: Buffer.alloc(eventBytes),
      eventStart: 0,
      eventEnd: eventBytes,
      subjectAt: 0,
      subjectLength: 1,
    }
    const trace = { traceBuffer: none, traceStart: -1, traceEnd: -1 }
    window.append({ ...event, ...trace, offset, timeMs: 0, generation: 0, hash: offset % 100 === 0 ? rare : often })
  }
  assert.deepEqual([window.indexTail, window.tail, window.usedBytes], [488, 990, inMemory * recordBytes])
  return window
}

test('a reader of all records reaches back as far as its bytes suffice at the average record size in memory', () => {
  const window = windowOf()
  assert.equal(oldestWithinBudget(window, undefined, 100 * recordBytes, chunkBytes), 890)
  assert.equal(oldestWithinBudget(window, undefined, 2000 * recordBytes, chunkBytes), 0)
})

test('a spent budget reaches back to the window only', () => {
  assert.equal(oldestWithinBudget(windowOf(), undefined, 0, chunkBytes), 990)
  assert.equal(oldestWithinBudget(windowOf(), [rare], -5, chunkBytes), 990)
})

test('a rare subject costs a chunk a record as far as the index reaches, and the whole log below', () => {
  const window = windowOf()
  assert.equal(oldestWithinBudget(window, [rare], 3 * chunkBytes, chunkBytes), 601, 'records 900, 800 and 700 are read')
  const left = 10 * recordBytes
  assert.equal(
    oldestWithinBudget(window, [rare], 5 * chunkBytes + left, chunkBytes),
    488 - 10,
    'all five, and ten records below',
  )
})

test('a subject of all records costs as much as the log', () => {
  assert.equal(oldestWithinBudget(windowOf(), [often], 100 * recordBytes, chunkBytes), 890)
})

test('several subjects share the bytes', () => {
  const window = windowOf()
  assert.equal(oldestWithinBudget(window, [rare, 3], 4 * chunkBytes, chunkBytes), 701, 'two chunks each')
})
