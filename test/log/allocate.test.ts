import assert from 'node:assert/strict'
import test from 'node:test'
import { type NewEntry, storedEntry } from '../../src/log/entry.ts'
import { Window } from '../../src/log/window.ts'
import { smallPool } from '../model/window.ts'

const entry = (text: string): NewEntry => ({
  buffer: Buffer.from(text),
  eventStart: 0,
  eventEnd: text.length,
  subjectAt: 0,
  subjectLength: 1,
  traceBuffer: Buffer.alloc(0),
  traceStart: -1,
  traceEnd: -1,
  offset: 7,
  timeMs: 1,
  generation: -1,
  hash: 1,
})

test('all memory of a pool comes from its allocator, with `times` too', () => {
  for (const generations of ['ranges', 'times'] as const) {
    const given: SharedArrayBuffer[] = []
    const allocate = (bytes: number) => {
      const memory = new SharedArrayBuffer(bytes)
      given.push(memory)
      return memory
    }
    const pool = smallPool({ payloadBytes: 4096, entries: 16, generations, allocate })
    const { entries, payloads } = pool
    const { offsets, hashes, previous, next, places, times, firstOrdinals, owners, firstMs } = entries
    const arrays = [offsets, hashes, previous, next, places, firstOrdinals, owners, firstMs, ...(times ? [times] : [])]
    const held = [...arrays, payloads.firstOrdinals, payloads.ends, payloads.piece(0).bytes].map(({ buffer }) => buffer)
    assert.deepEqual(
      held.filter((memory) => !given.includes(memory as SharedArrayBuffer)),
      [],
    )
    // Nothing outside reaches the array of the table of newest entries, so one allocation is
    // missing here.
    assert.equal(new Set(held).size, given.length - 1)
    const window = new Window(pool)
    window.append(entry('a text'))
    const out = storedEntry()
    window.load(window.newest(1), out)
    assert.equal(out.buffer.toString('utf8', out.eventStart, out.eventEnd), 'a text')
    assert.ok(given.includes(out.buffer.buffer as unknown as SharedArrayBuffer))
  }
})
